"""Splits texts into folded words, for which case, accents and ligatures do not matter, and compares words.

Both indices get the words that are made here, and snippets are made with the same words, so all agree on where a word
begins.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from video_assets.language import stems
from video_assets.language.stems import STEMMERS

# Scripts written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han. Each character is a word of its own.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u3096\u309d-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them, of which accents are dropped; in the scripts of India, vowels are marks.
_ACCENTS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670"
_MARKS = f"{_ACCENTS}\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[^\W_{_ALONE}]+(?:[{_MARKS}]+[^\W_{_ALONE}]*)*|[{_ALONE}]")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9]+")
_PLAIN_LETTERS = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(128))
_FOLDED_MARKS = re.compile(f"[{_ACCENTS}]")
_LETTERS = str.maketrans({"ø": "o", "œ": "oe", "æ": "ae", "đ": "d", "ł": "l", "\u0131": "i", "ð": "d", "þ": "th"})
_IS_ALONE = re.compile(f"[{_ALONE}]+")

STEMMED = frozenset(STEMMERS) - {"en"}
"""Languages whose stems are indexed beside the words. English is not among them: both indices stem it themselves."""
_UNUSABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


class Found(NamedTuple):
    """A word in a text."""

    start: int
    end: int
    word: str
    """Folded."""


def usable(text: str) -> str:
    """The text with spaces for characters that no index accepts (control characters, surrogates). Offsets stay."""
    return text if text.isprintable() else _UNUSABLE.sub(" ", text)


def found(text: str) -> list[Found]:
    """The words of a text, in order, with their places in it."""
    pattern = _PLAIN_WORD if text.isascii() else _WORD
    return [Found(match.start(), match.end(), fold(match[0])) for match in pattern.finditer(text)]


def split(text: str) -> list[str]:
    """The words of a text, folded."""
    if text.isascii():
        return text.translate(_PLAIN_LETTERS).split()  # takes a third of the pattern's time
    return [fold(word) for word in _WORD.findall(text)]


def fold(word: str) -> str:
    """The word without case, accents and ligatures. Never empty for a word."""
    return word.lower() if word.isascii() else _folded(word)


def stands_alone(word: str) -> bool:
    """Whether the word is of a script without spaces."""
    return not word.isascii() and _IS_ALONE.fullmatch(word) is not None


def stem(word: str, language: str) -> str:
    """The word's stem in a language of `STEMMED`, or in English for any other. Folded."""
    return _stem(word, STEMMERS[language] if language in STEMMED else "porter")


def tagged_stem(word: str, language: str) -> str:
    """The stem marked with its language, `boot0de`: a word that no text has."""
    return f"{stem(word, language)}0{language}"


def edits_allowed(word: str) -> int:
    """How many typing errors are tolerated in this word: none in short ones, which are similar to many others."""
    if len(word) < 4 or word.isdigit() or stands_alone(word[0]):
        return 0
    return 1 if len(word) < 8 else 2


def edits(one: str, other: str, most: int) -> int:
    """The edit distance: letters added, left out, changed or swapped with their neighbour. `most` + 1 if it is more."""
    return OSA.distance(one, other, score_cutoff=most)


@lru_cache(maxsize=50_000)
def _folded(word: str) -> str:
    plain = _FOLDED_MARKS.sub("", unicodedata.normalize("NFKD", word)).casefold().translate(_LETTERS)
    # NFC composes Hangul again, which NFKD has decomposed. Compatibility forms may contain spaces and signs.
    whole = "".join(_WORD.findall(unicodedata.normalize("NFC", plain)))
    return whole or word.casefold()


@lru_cache(maxsize=100_000)
def _stem(word: str, name: str) -> str:
    return fold(stems.stem(word, name)) or word
