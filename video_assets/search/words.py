"""Texts as words to be found: folded, so that case, accents and ligatures do not matter; and how words are alike.

Both indices are given words made here, and what is shown of a hit is found by the same words. So they cannot
disagree on where a word begins.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

import snowballstemmer

# Scripts written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han. Each character is a word of its own.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u3096\u309d-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them and say little; and the scripts of India, whose vowels are marks.
_ACCENTS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670"
_MARKS = f"{_ACCENTS}\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[^\W_{_ALONE}]+(?:[{_MARKS}]+[^\W_{_ALONE}]*)*|[{_ALONE}]")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9]+")
_PLAIN_LETTERS = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_FOLDED_MARKS = re.compile(f"[{_ACCENTS}]")
_LETTERS = str.maketrans({"ø": "o", "œ": "oe", "æ": "ae", "đ": "d", "ł": "l", "\u0131": "i", "ð": "d", "þ": "th"})
_IS_ALONE = re.compile(f"[{_ALONE}]+")

_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
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
"""Languages whose stems are kept beside the words. English is not among them: both indices stem it themselves."""
STEMMED = frozenset(_STEMMERS)


_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


class Found(NamedTuple):
    """A word in a text."""

    start: int
    end: int
    word: str
    """Folded."""


def usable(text: str) -> str:
    """The text with what no index takes (control characters, halves of characters) as spaces: offsets stay right."""
    return text if text.isprintable() else _UNUSABLE.sub(" ", text)


def found(text: str) -> list[Found]:
    """The words of a text, in order, with their places in it."""
    pattern = _PLAIN_WORD if text.isascii() else _WORD
    return [Found(match.start(), match.end(), fold(match[0])) for match in pattern.finditer(text)]


def split(text: str) -> list[str]:
    """The words of a text, folded."""
    if text.isascii():
        return text.translate(_PLAIN_LETTERS).split()  # a third of what the pattern takes
    return [fold(word) for word in _WORD.findall(text)]


def fold(word: str) -> str:
    """The word without case, accents and ligatures. Never empty for a word."""
    return word.lower() if word.isascii() else _folded(word)


def stands_alone(word: str) -> bool:
    """Whether this is of a script without spaces."""
    return not word.isascii() and _IS_ALONE.fullmatch(word) is not None


def language_of(code: str | None) -> str:
    """The language's two letters: `de` for `de-AT`; empty where unknown."""
    return (code or "").lower().replace("_", "-").partition("-")[0]


def stem(word: str, language: str) -> str:
    """The word's stem in a language of `STEMMED`, or in English for any other. Folded."""
    return _stem(word, _STEMMERS.get(language, "porter"))


def tagged_stem(word: str, language: str) -> str:
    """The stem as a word that no text has, apart for each language: `boot0de`."""
    return f"{stem(word, language)}0{language}"


def edits_allowed(word: str) -> int:
    """How many slips of the pen a word of this length may have: none in short words, which have many neighbours."""
    if len(word) < 4 or word.isdigit() or stands_alone(word[0]):
        return 0
    return 1 if len(word) < 8 else 2


def edits(one: str, other: str, most: int) -> int:
    """How many letters were added, left out, changed or swapped with their neighbour; `most` + 1 for more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    if not one or not other:
        return len(one) + len(other)
    if min(len(one), len(other)) > most + 1 and not set(one) & set(other):
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        older, before, row = before, row, [at]
        for to, against in enumerate(other, start=1):
            cost = min(before[to] + 1, row[-1] + 1, before[to - 1] + (letter != against))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == against:
                cost = min(cost, older[to - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


@lru_cache(maxsize=50_000)
def _folded(word: str) -> str:
    plain = _FOLDED_MARKS.sub("", unicodedata.normalize("NFKD", word)).casefold().translate(_LETTERS)
    # Hangul, taken apart above, is put together again; compatibility forms may bring spaces and signs.
    whole = "".join(_WORD.findall(unicodedata.normalize("NFC", plain)))
    return whole or word.casefold()


@lru_cache(maxsize=100_000)
def _stem(word: str, name: str) -> str:
    return fold(str(_stemmer(name).stemWord(word))) or word


@lru_cache(maxsize=40)
def _stemmer(name: str) -> Any:
    return snowballstemmer.stemmer(name)
