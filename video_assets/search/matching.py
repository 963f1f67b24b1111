"""Which words of a text match which terms of a query, and how close together they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from video_assets.language.names import primary
from video_assets.search import words
from video_assets.search.queries import Query, Term

EXACT, BEGINNING, FORM, SPELLED = 1.0, 0.7, 0.85, 0.6
"""The weight of a word that is the term itself, begins with it, is another form of it, or a likely spelling of it."""
REACH = 30
"""Words further apart than this many words (about ten seconds of speech) do not count as close together."""

MOST_PLACES = 200
"""The most matches of one passage that are compared; only hostile texts have more."""


class Match(NamedTuple):
    """A place in a sequence of words that matches a term."""

    at: int
    """Index of its first word."""
    size: int
    """How many words it has: more than one for characters of a script without spaces."""
    term: int
    weight: float


@dataclass(frozen=True)
class Together:
    """The place of a text where the terms of the query are closest together."""

    first: int = 0
    """Index of the match that it begins with."""
    terms: int = 0
    """How many different terms it has."""
    in_order: float = 0.0
    """Share of the neighbouring terms of the query that are neighbours here too, 0 to 1."""
    spread: int = 0
    """Distance in words from its first match to its last."""

    def closeness(self, query_terms: int) -> float:
        """How similar this place is to the query as a phrase, 0 to 1. `query_terms`: how many terms the query has."""
        if query_terms < 2 or self.terms < 2:
            return 0.0
        tight = (self.terms - 1) / max(self.spread, self.terms - 1)
        return (self.in_order + tight * (self.terms - 1) / (query_terms - 1)) / 2


class Matcher:
    """Compares words with the terms of a query, and caches the result for each word."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self._plain = [(number, term) for number, term in enumerate(query.terms) if len(term.parts) == 1]
        self._runs = [(number, term.parts) for number, term in enumerate(query.terms) if len(term.parts) > 1]
        # The forms of a word have the same first two letters, which excludes most words without comparing terms.
        self._beginnings = {word[:2] for _, term in self._plain for word in (term.word, *term.spelled)}
        self._seen: dict[tuple[str, str], tuple[tuple[int, float], ...]] = {}

    def matches(self, said: Sequence[str], language: str | None) -> list[Match]:
        """Every place of these (folded) words that matches a term, in order."""
        code, seen, found = primary(language), self._seen, list[Match]()
        beginnings = self._beginnings
        for at, word in [(at, word) for at, word in enumerate(said) if word[:2] in beginnings]:
            answers = seen.get((word, code))
            if answers is None:
                answers = seen[word, code] = self._answers(word, code)
            for number, weight in answers:
                found.append(Match(at, 1, number, weight))
        for number, parts in self._runs:
            found += [Match(at, len(parts), number, EXACT) for at in _places(said, parts)]
        return sorted(found) if self._runs else found

    def together(self, found: Sequence[Match]) -> Together:
        """The place with the most different terms within `REACH`; of several, the one whose terms are most in the
        query's order, then the narrowest."""
        if len(self.query.terms) == 1:
            return Together(0, min(1, len(found)))
        best = Together()
        found = found[:MOST_PLACES]
        for first, match in enumerate(found):
            seen: dict[int, int] = {}
            for other in found[first:]:
                if other.at - match.at > REACH:
                    break
                seen.setdefault(other.term, other.at)
            if len(seen) < best.terms:
                continue
            last = max(seen.values())
            here = Together(first, len(seen), self._in_order(found, match.at, last), last - match.at)
            if (here.terms, here.in_order, -here.spread) > (best.terms, best.in_order, -best.spread):
                best = here
        return best

    def _in_order(self, found: Sequence[Match], begin: int, end: int) -> float:
        pairs = len(self.query.terms) - 1
        if pairs < 1:
            return 0.0
        places: dict[int, list[int]] = {}
        for match in found:
            if begin <= match.at <= end:
                places.setdefault(match.term, []).append(match.at)
        near = 0.0
        for left in range(pairs):
            steps = [to - at for at in places.get(left, ()) for to in places.get(left + 1, ())]
            # Common words are left out of queries, so neighbours in the query may be a few words apart in the text.
            near += 1.0 if 1 in steps else 0.7 if any(0 < step <= 3 for step in steps) else 0.0
        return near / pairs

    def _answers(self, word: str, code: str) -> tuple[tuple[int, float], ...]:
        answers = []
        for number, term in self._plain:
            if weight := _weight(term, word, code):
                answers.append((number, weight))
        return tuple(answers)


def _weight(term: Term, word: str, code: str) -> float:
    typed = term.word
    if word == typed:
        return EXACT
    if word[:2] == typed[:2] and not words.stands_alone(word[0]):
        if words.stem(word, "en") == words.stem(typed, "en"):
            return FORM
        if code in words.STEMMED and words.stem(word, code) == words.stem(typed, code):
            return FORM
        if term.prefix and word.startswith(typed):
            return BEGINNING
    if any(word == each or _alike(word, each) for each in term.spelled):
        return SPELLED
    return 0.0


def _alike(word: str, other: str) -> bool:
    return word[:2] == other[:2] and words.stem(word, "en") == words.stem(other, "en")


def _places(said: Sequence[str], parts: tuple[str, ...]) -> list[int]:
    size = len(parts)
    return [at for at, word in enumerate(said) if word == parts[0] and tuple(said[at : at + size]) == parts]
