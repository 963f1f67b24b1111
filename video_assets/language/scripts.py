"""Properties of a character's script."""

from __future__ import annotations

import unicodedata


def is_wide(character: str) -> bool:
    """Whether the character takes two columns, as most of Chinese, Japanese and Korean do. Text in these scripts is
    joined without a space."""
    return unicodedata.east_asian_width(character) in "WF"
