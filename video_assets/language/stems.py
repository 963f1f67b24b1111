"""Words without their endings, by Snowball's stemmers."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import snowballstemmer

STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "tr": "turkish",
}
"""The stemmer of each language, by its two letters."""

_TURNS = threading.Lock()
"""A stemmer keeps the word it works on: threads take turns."""


def stem(word: str, stemmer: str) -> str:
    """The word's stem. `stemmer`: one of those above, or `porter`, the older one for English. Slow, as it is written
    in Python: whoever stems many words keeps the stems."""
    with _TURNS:
        return str(_stemmer(stemmer).stemWord(word))


@cache
def _stemmer(name: str) -> Any:
    return snowballstemmer.stemmer(name)
