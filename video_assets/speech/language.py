"""Decides which language is spoken, from the probabilities in several excerpts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping


def agreed(votes: Iterable[tuple[float, Mapping[str, float]]]) -> tuple[str, float] | None:
    """The most probable language over all excerpts, and its probability; None if there is no speech in any.

    `votes`: for each excerpt, its seconds of speech and the probability of each language. An excerpt is weighted by its
    speech, so that a jingle or a greeting does not decide for an hour.
    """
    total, sums = 0.0, defaultdict[str, float](float)
    for seconds, probabilities in votes:
        total += seconds
        for language, probability in probabilities.items():
            sums[language] += seconds * probability
    if total <= 0 or not sums:
        return None
    best = max(sorted(sums), key=lambda language: sums[language])
    return best, min(1.0, sums[best] / total)
