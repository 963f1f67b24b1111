"""Converts versions to the numbers that Elasticsearch accepts.

A version here is a text (a run's fence: its creation time, then its id), and versions are compared as texts. As an
external version, Elasticsearch accepts only a whole number of 63 bits. `number` gives one that never contradicts the
order of the texts, but texts that differ only towards their end have the same number. So a writer must compare the
texts too if the numbers are equal.
"""

from __future__ import annotations

PLACES = 16
"""How many characters count: 15 ** 16 is just below 2 ** 63. Of a fence these are the seconds and five decimals."""
BASE = 15
FOREVER = 9_000_000_000_000_000_000
"""The number for videos that were removed for ever, higher than that of any version."""

_LOW, _DOT, _SLASH, _ZERO, _HIGH = 1, 2, 3, 4, 14


def number(version: str) -> int:
    """A whole number from 0 to 2 ** 63. If one version is lower than another as text, its number is lower or equal."""
    value = 0
    for at in range(PLACES):
        digit = _digit(version[at]) if at < len(version) else 0
        value = value * BASE + digit
        if digit in (_LOW, _HIGH) or not digit:
            # Several characters share this digit, so the characters after it must not count.
            return int(value * BASE ** (PLACES - 1 - at))
    return value


def _digit(character: str) -> int:
    """The digit of a character, in this order: the text's end, everything below `.`, `.`, `/`, `0` to `9`, the rest."""
    if character < ".":
        return _LOW
    if character == ".":
        return _DOT
    if character == "/":
        return _SLASH
    return _ZERO + int(character) if character <= "9" else _HIGH
