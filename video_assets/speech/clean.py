"""Text from outside made harmless: one line, printable, normalised. What it says is left alone."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
"""Format characters that change how words of Persian, Indic scripts and emoji read: they stay."""


def clean_text(text: str) -> str:
    """One line in NFC without control, format, private or unassigned characters."""
    kept = "".join(_kept(character) for character in unicodedata.normalize("NFC", text))
    return " ".join(kept.split())


def _kept(character: str) -> str:
    if character.isspace():
        return " "
    if character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character
