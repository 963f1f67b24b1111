"""Text of anybody's made plain."""

from __future__ import annotations


def plain_line(text: str) -> str:
    """The text on one line, without control characters and other unprintable ones: each is a space, and several
    spaces are one. Not for errors, whose `one_line` hides secrets too."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
