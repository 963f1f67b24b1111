"""How well speech was recognised: word error rate and error of the word times, as plain figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from math import inf

import numpy as np


def words_of(text: str) -> list[str]:
    """The words, without case and punctuation."""
    return re.findall(r"\w+", text.lower())


def word_error_rate(said: str, heard: str) -> float:
    """Least number of words changed, left out or added, over the number said."""
    reference, found = words_of(said), words_of(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(found, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return row[-1] / len(reference)


def timestamp_error(said: Sequence[tuple[float, float]], heard: Sequence[tuple[float, float]]) -> float:
    """Mean distance of sentence starts and ends, seconds."""
    return float(np.abs(np.array(said) - np.array(heard)).mean())


def sentences_missed(
    said: Sequence[tuple[float, float]], heard: Sequence[tuple[float, float]], *, within: float
) -> list[tuple[float, float]]:
    """Those of the spans said (start, end; seconds) of which none heard begins so close to their start, or of which
    none ends so close to their end."""
    starts, ends = [start for start, _ in heard], [end for _, end in heard]
    return [
        (start, end)
        for start, end in said
        if min((abs(start - each) for each in starts), default=inf) > within
        or min((abs(end - each) for each in ends), default=inf) > within
    ]


def starts_apart(one: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]]) -> list[float]:
    """How far apart the same words begin in two hearings, seconds; for those that both have, in order."""
    matching = SequenceMatcher(None, [word for word, _ in one], [word for word, _ in other], autojunk=False)
    return [
        abs(one[block.a + n][1] - other[block.b + n][1])
        for block in matching.get_matching_blocks()
        for n in range(block.size)
    ]
