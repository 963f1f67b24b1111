"""What kind of script a character is of."""

from __future__ import annotations

import unicodedata


def is_wide(character: str) -> bool:
    """Whether it takes two columns: of Chinese, Japanese or Korean, mostly, which put no space where text is joined."""
    return unicodedata.east_asian_width(character) in "WF"
