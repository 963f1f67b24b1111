"""Cleans text from outside: one line, printable, normalised. The words stay the same."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
"""Format characters that are kept, since they change words of Persian, of Indic scripts, and emoji."""


def clean_text(text: str) -> str:
    """The text on one line, in NFC, without control, format, private or unassigned characters."""
    cleaned = "".join(_cleaned(character) for character in unicodedata.normalize("NFC", text))
    return " ".join(cleaned.split())


def _cleaned(character: str) -> str:
    """What stands for this character: itself, a space or nothing."""
    if character.isspace():
        return " "
    if character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
