"""Text from outside as one plain line."""

from __future__ import annotations


def plain_line(text: str) -> str:
    """The text on one line. Each unprintable character becomes a space, and several spaces become one. For errors use
    `errors.one_line`, which also hides secrets."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
