"""What people type, as words to look for. Any text is a query: operators are words like any other."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MOST_CHARACTERS = 1_000
MOST_TERMS = 24
LONGEST_TERM = 60
SHORTEST_PREFIX = 2
"""A last word of fewer letters is taken whole: half the dictionary begins with it."""

SEPARATOR = "\u200b"
"""Put between characters of scripts written without spaces, so that each is a token of its own."""

_COMMON_WORDS = (
    "a an and are as at be been but by can did do does for from had has have he her his how i if in into is it its me "
    "my no not of on or our she so that the their them then there these they this to was we were what when where which "
    "who why will with you your"
)
"""Words that say nothing about a passage; left out of queries that have others."""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True)
class Query:
    """Terms as typed, in their order; the last may be the beginning of a word."""

    terms: tuple[str, ...]
    prefix: bool

    @property
    def telling(self) -> Query:
        """The query without its common words, where it has others. A common last word may still be the
        beginning of another one, but only where nothing else is asked for."""
        kept = tuple(term for term in self.terms if term.casefold() not in _COMMON)
        if not kept or len(kept) == len(self.terms):
            return self
        return Query(kept, self.prefix and kept[-1] == self.terms[-1])


def parse(words: str) -> Query:
    """The query that this text is. No terms where it holds neither letters nor digits."""
    text = unicodedata.normalize("NFC", words[:MOST_CHARACTERS])
    split = "".join(character if _in_word(character) else " " for character in text).split()
    terms = tuple(dict.fromkeys(term[:LONGEST_TERM] for term in split if any(c.isalnum() for c in term)))[:MOST_TERMS]
    open_ended = bool(terms) and len(terms[-1]) >= SHORTEST_PREFIX and terms[-1] == split[-1][:LONGEST_TERM]
    return Query(terms, prefix=open_ended and len(words) <= MOST_CHARACTERS)


def separated(text: str) -> str:
    """The text with each character of a script without spaces as a token of its own."""
    if text.isascii():
        return text
    return "".join(f"{SEPARATOR}{each}{SEPARATOR}" if _stands_alone(each) else each for each in text)


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _stands_alone(character: str) -> bool:
    """Whether this script is written without spaces: Han, kana, and those of South East Asia."""
    code = ord(character)
    return (
        0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Myanmar
        or 0x1780 <= code <= 0x17FF  # Khmer
        or 0x3040 <= code <= 0x30FF  # kana
        or 0x3400 <= code <= 0x9FFF  # Han
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )
