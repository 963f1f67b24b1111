"""How hits are ranked, whichever index found the candidates.

An index answers with passages in which a term is said, and with how rare each term is; the order among them is
made here. So all backends rank alike. A passage counts by its rare words (BM25), by how many of the query's terms
stand in it, and by whether they stand side by side; a video by its best passage, its title and summary, and a
little by its other passages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from video_assets.search.base import ABOUT
from video_assets.search.matching import Match, Matcher
from video_assets.search.queries import Query

PER_VIDEO = 3
VIDEOS = 24
"""Videos looked at closely, at least; as many as are asked for and half as many again where that is more."""
SPELLINGS = 3
"""Words taken for a misspelt one at most."""

K1, B = 1.6, 0.4
AVERAGE_WORDS = 80
"""Words in half a minute of speech."""
TITLE_WEIGHT = 2.0
"""A word of the title counts as so many of the summary."""
SCATTERED = 0.35
"""What a passage keeps of its score where next to none of the terms stand in it; all of it where all do."""
SIDE_BY_SIDE = 1.0
"""How much more a passage counts in which the terms are neighbours, in the order asked."""
ABOUT_SHARE = 1.2
"""How much of the match of title and summary counts for the video's passages."""
OTHERS_SHARE = 0.15
"""How much of its second and third passage counts for a video."""


@dataclass(frozen=True)
class Candidate:
    """A passage, or what describes a video, as an index holds it."""

    video_id: int
    number: int
    language: str | None
    title: tuple[str, ...]
    """Folded words of the title; those of a passage have none."""
    said: tuple[str, ...]
    """Folded words of the text."""


@dataclass(frozen=True)
class Ranked:
    """A video that answers, with its best places; the one that stands for the video itself (`ABOUT`) only where
    nothing that is said in it answers."""

    video_id: int
    score: float
    places: tuple[tuple[int, float], ...] = field(default=())
    """(number, score), best first."""


@dataclass(frozen=True)
class _Scored:
    score: float
    terms: frozenset[int]


def ranked(
    candidates: Iterable[Candidate], query: Query, *, matcher: Matcher, counts: Sequence[int], total: int
) -> list[Ranked]:
    """The videos, best first. `counts`: how many of the index's `total` rows have each term."""
    rarity = [math.log(1 + (max(total, count) - count + 0.5) / (count + 0.5)) for count in counts]
    about: dict[int, _Scored] = {}
    spoken: dict[int, list[tuple[int, _Scored]]] = {}
    for each in candidates:
        scored = _scored(each, matcher, rarity)
        if not scored.terms:
            continue
        if each.number == ABOUT:
            about[each.video_id] = scored
        else:
            spoken.setdefault(each.video_id, []).append((each.number, scored))
    found = [_video(video_id, about.get(video_id), places, rarity) for video_id, places in spoken.items()]
    found += [
        Ranked(video_id, each.score * _whole(each.terms, rarity), ((ABOUT, each.score),))
        for video_id, each in about.items()
        if video_id not in spoken
    ]
    return sorted(found, key=lambda each: (-each.score, each.video_id))


def _video(
    video_id: int, about: _Scored | None, spoken: Sequence[tuple[int, _Scored]], rarity: Sequence[float]
) -> Ranked:
    extra = ABOUT_SHARE * about.score if about else 0.0
    known = about.terms if about else frozenset()
    # A term that only the title has counts for what is said under it, too.
    places = [(number, (each.score + extra) * _whole(each.terms | known, rarity)) for number, each in spoken]
    places.sort(key=lambda place: (-place[1], place[0]))
    others = sum(score for _, score in places[1:PER_VIDEO])
    return Ranked(video_id, places[0][1] + OTHERS_SHARE * others, tuple(places[:PER_VIDEO]))


def _scored(row: Candidate, matcher: Matcher, rarity: Sequence[float]) -> _Scored:
    found = matcher.matches(row.said, row.language)
    score = _bm25(found, rarity, len(row.said), 1.0)
    asked = len(matcher.query.terms)
    close = matcher.together(found).closeness(asked)
    terms = frozenset(match.term for match in found)
    if row.title:
        in_title = matcher.matches(row.title, row.language)
        score += _bm25(in_title, rarity, len(row.title), TITLE_WEIGHT)
        close = max(close, matcher.together(in_title).closeness(asked))
        terms |= {match.term for match in in_title}
    return _Scored(score * (1 + SIDE_BY_SIDE * close), terms)


def _bm25(found: Sequence[Match], rarity: Sequence[float], size: int, weight: float) -> float:
    often: dict[int, float] = {}
    for match in found:
        often[match.term] = often.get(match.term, 0.0) + match.weight
    length = K1 * (1 - B + B * size / AVERAGE_WORDS)
    return weight * sum(rarity[term] * count * (K1 + 1) / (count + length) for term, count in often.items())


def _whole(terms: Iterable[int], rarity: Sequence[float]) -> float:
    share = sum(rarity[term] for term in terms) / (sum(rarity) or 1.0)
    return SCATTERED + (1 - SCATTERED) * share
