"""Which language is spoken: the vote of several excerpts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping


def agreed(votes: Iterable[tuple[float, Mapping[str, float]]]) -> tuple[str, float] | None:
    """The language that excerpts agree on, and its probability; None without a single one.

    `votes`: seconds of speech in an excerpt, and the probability of each language there. An excerpt counts by how
    much is said in it, so that a jingle or a word of greeting does not decide for an hour.
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
