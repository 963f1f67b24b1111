"""What people type, as words to look for. Any text is a query: operators are words like any other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from video_assets.search import words

MOST_CHARACTERS = 1_000
MOST_TERMS = 24
LONGEST_TERM = 60
SHORTEST_PREFIX = 2
"""A last word of fewer letters is taken whole: half the dictionary begins with it."""
SHORTEST_BEGINNING = 4
"""A word nobody says is taken for the beginning of another only where it has as many letters."""

_COMMON_WORDS = (
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is "
    "it its me my no not of on or our she so that the their them then there these they this to was we were what when "
    "where which who why will with would you your "
    "au aux ce ces cette dans de des du elle en est et il la le les ne nous ou par pas pour que qui se sur un une vous "
    "als am auf aus bei das dem den der die ein eine einem einen einer es fur ich im ist man mit nicht sie und von vor "
    "wie wir zu zum zur "
    "como con del el los las lo por su una y che di e gli nel o per um uma os na"
)
"""Words of several languages that say nothing about a passage; left out of queries that have others."""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True)
class Term:
    """One thing looked for: a word, or a few characters of a script without spaces, side by side."""

    parts: tuple[str, ...]
    """Folded. One word, or single characters."""
    prefix: bool = False
    """Whether it may be the beginning of a word."""
    spelled: tuple[str, ...] = ()
    """Words that are looked for as well, since the index does not know the one typed."""

    @property
    def word(self) -> str:
        """The word typed, where it is one."""
        return self.parts[0] if len(self.parts) == 1 else ""


@dataclass(frozen=True)
class Query:
    """Terms as typed, in their order; only the last may be the beginning of a word."""

    terms: tuple[Term, ...]

    def widened(self, missing: Collection[Term], spellings: Mapping[str, tuple[str, ...]]) -> Query:
        """The query with other spellings of words that nobody says; where there are none, such a word is taken for
        the beginning of one, as in languages that write compounds together."""
        return Query(tuple(_widened(term, spellings) if term in missing else term for term in self.terms))


def parse(text: str) -> Query:
    """The query that this text is. No terms where it holds neither letters nor digits."""
    typed = words.split(text[:MOST_CHARACTERS])
    terms: list[Term] = []
    for alone, run in groupby(typed, key=words.stands_alone):
        together = list(run)
        terms += _pairs(together) if alone else [Term((word[:LONGEST_TERM],)) for word in together]
    kept = list(dict.fromkeys(terms))[:MOST_TERMS]
    if telling := [term for term in kept if term.word not in _COMMON]:
        kept = telling
    if kept and _open_ended(text, kept[-1], typed):
        kept[-1] = replace(kept[-1], prefix=True)
    return Query(tuple(kept))


def _widened(term: Term, spellings: Mapping[str, tuple[str, ...]]) -> Term:
    if spelled := spellings.get(term.word, ()):
        return replace(term, spelled=spelled)
    return replace(term, prefix=term.prefix or len(term.word) >= SHORTEST_BEGINNING)


def _pairs(characters: list[str]) -> list[Term]:
    """A run of characters without spaces, as overlapping pairs: words are mostly of two, and nobody marks their
    ends."""
    if len(characters) == 1:
        return [Term((characters[0],))]
    return [Term(pair) for pair in pairwise(characters)]


def _open_ended(text: str, last: Term, typed: list[str]) -> bool:
    """Whether the last word may go on: it is the last typed, and nothing but a letter or a digit follows."""
    return len(last.word) >= SHORTEST_PREFIX and last.word == typed[-1] and len(text) <= MOST_CHARACTERS
