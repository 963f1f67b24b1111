"""Finds the ends of sentences by their punctuation."""

# ruff: noqa: RUF001  (punctuation of many scripts is what this module is about)
from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_SPACED = ".!?…"
"""Marks that end a sentence only before a space: the point in `3.5` does not."""
_UNSPACED = "。！？｡؟۔।॥"
_CLOSING = "\"'”’»)\\]"
_WIDE_CLOSING = "」』】"
_ENDS = re.compile(rf"[{_SPACED}]+[{_CLOSING}]*(?=\s|$)|[{_UNSPACED}]+[{_CLOSING}{_WIDE_CLOSING}]*")
_LAST = re.compile(rf"[{_SPACED}{_UNSPACED}][{_CLOSING}{_WIDE_CLOSING}]*$")
_ABBREVIATED = (
    "mr mrs ms dr prof sr jr st rev gen col sgt capt lt hon gov sen rep pres no nos vol fig figs ch sec eq ed eds pp p "
    "vs cf al e.g i.e eg ie approx ca etc inc ltd co corp dept est min max tel ext jan feb mar apr jun jul aug sep "
    "sept oct nov dec mon tue wed thu fri bzw z.b d.h u.a usw nr str sra mme mlle m av art ph.d a.m p.m"
)
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_MAY_END = frozenset(("etc", "inc", "ltd", "co", "corp", "jr", "sr", "a.m", "p.m", "ph.d", "usw", "al", "no"))
"""Abbreviations after which a capital letter begins a new sentence."""
_BEGINNING_WORDS = "the it he she we they this that these those there but and so in on at if when i you a an"
_STARTERS = frozenset(_BEGINNING_WORDS.split())


def ends_sentence(text: str) -> bool:
    """Whether the text ends with a mark that ends a sentence, perhaps followed by quotation marks or brackets."""
    return _LAST.search(text) is not None


def split_sentences(text: str) -> list[str]:
    """The sentences of a text by its punctuation."""
    cuts = [0, *sentence_ends(text), len(text)]
    return [piece for first, last in pairwise(cuts) if (piece := text[first:last].strip())]


def sentence_ends(text: str) -> Iterator[int]:
    """The offsets in the text at which a sentence ends and another follows, rising."""
    lower_case = not any(character.isupper() for character in text)
    for match in _ENDS.finditer(text):
        following = text[match.end() : match.end() + 40].lstrip(" \n\"'“‘«([¿¡—–-")
        if not following:
            continue
        if match[0][0] in _SPACED and following[0].islower() and not lower_case:
            continue
        if match[0] == "." and not _full_stop(text, match.start(), following, lower_case):
            continue
        yield match.end()


def _full_stop(text: str, at: int, following: str, lower_case: bool) -> bool:
    """Whether the point at offset `at` ends a sentence, and not an abbreviation, an initial or a number."""
    before = re.split(r"[\s(\[\"'“‘]", text[max(0, at - 20) : at])[-1].lower()
    next_word = re.split(r"\W", following, maxsplit=1)[0].lower()
    if before in _ABBREVIATIONS:
        return before in _MAY_END and (next_word in _STARTERS or following[0].isupper()) and not lower_case
    if re.fullmatch(r"[^\W\d_]", before) and before not in ("i", "a"):
        return next_word in _STARTERS
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", before):
        return next_word in _STARTERS
    # "1." at the start of a line of a list belongs to what follows; "in 1999." does not.
    return not (before.isdigit() and len(before) <= 2 and (at == len(before) or text[at - len(before) - 2] in ".!?:"))
