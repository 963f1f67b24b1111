"""Words without their endings, by Snowball's stemmers."""

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
"""The stemmer of each language, by its two letters."""

_own = threading.local()
"""A stemmer keeps the word it works on, so each thread has its own. A lock would be held for ever in a process that was
forked while another thread stemmed."""


def stem(word: str, stemmer: str) -> str:
    """The word's stem. `stemmer`: one of those above, or `porter`, the older one for English. Slow, as it is written
    in Python: whoever stems many words keeps the stems."""
    found = _own.__dict__.get(stemmer)
    if found is None:
        found = _own.__dict__[stemmer] = snowballstemmer.stemmer(stemmer)
    return str(found.stemWord(word))
