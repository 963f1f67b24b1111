"""Parses what people type into terms to search for. Any text is a query; there are no operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from video_assets.search import words

MOST_CHARACTERS = 1_000
MOST_TERMS = 24
LONGEST_TERM = 60
SHORTEST_PREFIX = 2
"""A last word with fewer letters is not searched as a prefix: too many words begin with it."""
SHORTEST_BEGINNING = 4
"""A word that the index does not have is searched as a prefix only if it has at least this many letters."""

_COMMON_WORDS = (
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is "
    "it its me my no not of on or our she so that the their them then there these they this to was we were what when "
    "where which who why will with would you your "
    "au aux ce ces cette dans de des du elle en est et il la le les ne nous ou par pas pour que qui se sur un une vous "
    "als am auf aus bei das dem den der die ein eine einem einen einer es fur ich im ist man mit nicht sie und von vor "
    "wie wir zu zum zur "
    "como con del el los las lo por su una y che di e gli nel o per um uma os na"
)
"""Frequent words of several languages. They are left out of queries that have other words."""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True)
class Term:
    """One term of a query: a word, or a few consecutive characters of a script without spaces."""

    parts: tuple[str, ...]
    """Folded. One word, or single characters."""
    prefix: bool = False
    """Whether words that begin with it match too."""
    spelled: tuple[str, ...] = ()
    """Other spellings that are searched too, since the index does not have the word."""

    @property
    def word(self) -> str:
        """The word; empty if the term consists of characters."""
        return self.parts[0] if len(self.parts) == 1 else ""


@dataclass(frozen=True)
class Query:
    """The terms in the order in which they were typed. When parsed, only the last can be a prefix."""

    terms: tuple[Term, ...]

    def widened(self, missing: Collection[Term], spellings: Mapping[str, tuple[str, ...]]) -> Query:
        """The query with other spellings for the terms that the index does not have. If there are no spellings for a
        term, it becomes a prefix, which finds compounds in languages that write them as one word."""
        return Query(tuple(_widened(term, spellings) if term in missing else term for term in self.terms))


def parse(text: str) -> Query:
    """The query for this text. It has no terms if the text has neither letters nor digits."""
    typed = words.split(text[:MOST_CHARACTERS])
    terms: list[Term] = []
    for alone, run in groupby(typed, key=words.stands_alone):
        together = list(run)
        terms += _pairs(together) if alone else [Term((word[:LONGEST_TERM],)) for word in together]
    kept = list(dict.fromkeys(terms))[:MOST_TERMS]
    if uncommon := [term for term in kept if term.word not in _COMMON]:
        kept = uncommon
    if kept and _open_ended(text, kept[-1], typed):
        kept[-1] = replace(kept[-1], prefix=True)
    return Query(tuple(kept))


def _widened(term: Term, spellings: Mapping[str, tuple[str, ...]]) -> Term:
    if spelled := spellings.get(term.word, ()):
        return replace(term, spelled=spelled)
    return replace(term, prefix=term.prefix or len(term.word) >= SHORTEST_BEGINNING)


def _pairs(characters: list[str]) -> list[Term]:
    """The characters of a script without spaces as overlapping pairs: most words have two characters, and where they
    end is not marked."""
    if len(characters) == 1:
        return [Term((characters[0],))]
    return [Term(pair) for pair in pairwise(characters)]


def _open_ended(text: str, last: Term, typed: list[str]) -> bool:
    """Whether the last term may be an unfinished word: it is the last word that was typed, and long enough."""
    return len(last.word) >= SHORTEST_PREFIX and last.word == typed[-1] and len(text) <= MOST_CHARACTERS
