"""Versions as Elasticsearch takes them.

A version is a text here (a run's fence: when it was created, then its id), and versions compare as text. As an
external version Elasticsearch takes a whole number of 63 bits only. `number` gives one that never goes against the
order of the texts; texts that differ too far to the right share a number. Who writes by it therefore has to compare
the texts as well where the numbers do not tell.
"""

from __future__ import annotations

PLACES = 16
"""Characters that count: 15 ** 16 is just below 2 ** 63. Of a fence they are its seconds and five decimals."""
BASE = 15
FOREVER = 9_000_000_000_000_000_000
"""Higher than any version's number: what stands for a video that was removed for ever."""

_LOW, _DOT, _SLASH, _ZERO, _HIGH = 1, 2, 3, 4, 14


def number(version: str) -> int:
    """A whole number from 0 to 2 ** 63, lower or the same for any version that is lower as text."""
    value = 0
    for at in range(PLACES):
        digit = _digit(version[at]) if at < len(version) else 0
        value = value * BASE + digit
        if digit in (_LOW, _HIGH) or not digit:
            # Characters that share a digit are not told apart, so nothing behind them may count either.
            return int(value * BASE ** (PLACES - 1 - at))
    return value


def _digit(character: str) -> int:
    """The place of a character among `end`, what is below `.`, `.`, `/`, `0` to `9`, and what is above."""
    if character < ".":
        return _LOW
    if character == ".":
        return _DOT
    if character == "/":
        return _SLASH
    return _ZERO + int(character) if character <= "9" else _HIGH
