"""Stems of words, by Snowball's stemmers."""

from __future__ import annotations

import threading

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
"""The stemmer of each language, by ISO 639-1 code."""

_own = threading.local()
"""Each thread has its own stemmers, since a stemmer holds the word that it works on. A lock instead would stay held for
ever in a process that is forked while another thread stems."""


def stem(word: str, stemmer: str) -> str:
    """The word's stem. `stemmer`: a value of `STEMMERS`, or `porter`, the older one for English. It is written in
    Python and slow, so a caller with many words should cache the stems."""
    found = _own.__dict__.get(stemmer)
    if found is None:
        found = _own.__dict__[stemmer] = snowballstemmer.stemmer(stemmer)
    return str(found.stemWord(word))
