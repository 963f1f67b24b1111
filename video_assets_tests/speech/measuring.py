"""How well speech was recognised: word error rate and error of the word times, as plain figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
