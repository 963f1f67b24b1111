"""Ranks videos and their passages, in the same way for both indices.

An index gives the passages that have a term, and how rare each term is. A passage is ranked by its rare words (BM25),
by how many of the query's terms it has, and by how close together they are. A video is ranked by its best passage, its
title and summary, and a little by its other passages.
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
"""An index gives candidates of at least this many videos, and of at least half as many again as are asked for."""
SPELLINGS = 3
"""The most spellings that are searched for a misspelt word."""

K1, B = 1.6, 0.4
AVERAGE_WORDS = 80
"""Words in half a minute of speech."""
TITLE_WEIGHT = 2.0
"""A word of the title counts as this many of the summary."""
SCATTERED = 0.35
"""Factor on the score of a passage that has almost none of the terms. With all terms the factor is 1."""
SIDE_BY_SIDE = 1.0
"""How much is added to the factor of a passage in which the terms are neighbours, in the query's order."""
ABOUT_SHARE = 1.2
"""The part of the score of title and summary that is added to each passage of the video."""
OTHERS_SHARE = 0.15
"""The part of the scores of its second and third passage that is added to a video's score."""


@dataclass(frozen=True)
class Candidate:
    """A passage, or the description of a video, as words."""

    video_id: int
    number: int
    language: str | None
    title: tuple[str, ...]
    """Folded words of the title; empty for a passage."""
    said: tuple[str, ...]
    """Folded words of the text."""


@dataclass(frozen=True)
class Ranked:
    """A video with its best places. The place `ABOUT` is among them only if no passage matches."""

    video_id: int
    score: float
    places: tuple[tuple[int, float], ...] = field(default=())
    """(passage number, score), best first."""


@dataclass(frozen=True)
class _Scored:
    score: float
    terms: frozenset[int]


def ranked(
    candidates: Iterable[Candidate], query: Query, *, matcher: Matcher, counts: Sequence[int], total: int
) -> list[Ranked]:
    """The videos, best first. `counts`: for each term, how many of the index's `total` rows have it."""
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
        Ranked(video_id, each.score * _completeness(each.terms, rarity), ((ABOUT, each.score),))
        for video_id, each in about.items()
        if video_id not in spoken
    ]
    return sorted(found, key=lambda each: (-each.score, each.video_id))


def _video(
    video_id: int, about: _Scored | None, spoken: Sequence[tuple[int, _Scored]], rarity: Sequence[float]
) -> Ranked:
    extra = ABOUT_SHARE * about.score if about else 0.0
    known = about.terms if about else frozenset()
    # Terms of the title and summary count as terms of each passage.
    places = [(number, (each.score + extra) * _completeness(each.terms | known, rarity)) for number, each in spoken]
    places.sort(key=lambda place: (-place[1], place[0]))
    others = sum(score for _, score in places[1:PER_VIDEO])
    return Ranked(video_id, places[0][1] + OTHERS_SHARE * others, tuple(places[:PER_VIDEO]))


def _scored(row: Candidate, matcher: Matcher, rarity: Sequence[float]) -> _Scored:
    found = matcher.matches(row.said, row.language)
    score = _bm25(found, rarity, len(row.said), 1.0)
    query_terms = len(matcher.query.terms)
    close = matcher.together(found).closeness(query_terms)
    terms = frozenset(match.term for match in found)
    if row.title:
        in_title = matcher.matches(row.title, row.language)
        score += _bm25(in_title, rarity, len(row.title), TITLE_WEIGHT)
        close = max(close, matcher.together(in_title).closeness(query_terms))
        terms |= {match.term for match in in_title}
    return _Scored(score * (1 + SIDE_BY_SIDE * close), terms)


def _bm25(found: Sequence[Match], rarity: Sequence[float], size: int, weight: float) -> float:
    often: dict[int, float] = {}
    for match in found:
        often[match.term] = often.get(match.term, 0.0) + match.weight
    length = K1 * (1 - B + B * size / AVERAGE_WORDS)
    return weight * sum(rarity[term] * count * (K1 + 1) / (count + length) for term, count in often.items())


def _completeness(terms: Iterable[int], rarity: Sequence[float]) -> float:
    """A factor from `SCATTERED` to 1, by the share of the query's terms that are there, weighted by their rarity."""
    share = sum(rarity[term] for term in terms) / (sum(rarity) or 1.0)
    return SCATTERED + (1 - SCATTERED) * share
