"""Makes hits, with second and snippet, from ranked places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from video_assets.search import snippets
from video_assets.search.base import ABOUT, Found, Hit
from video_assets.search.documents import moment
from video_assets.search.matching import Matcher
from video_assets.search.ranking import Ranked

Place = tuple[int, int]
"""(video id, number of the passage)."""


@dataclass(frozen=True)
class Details:
    """What is shown of a place: a passage as it was put, or the description of a video."""

    title: str
    language: str | None
    start: float
    stop: float
    marks: Sequence[tuple[int, float]]
    text: str


ReadDetails = Callable[[Iterable[Place]], Mapping[Place, Details]]
"""Reads the details of places. Places that were removed meanwhile are missing in the result."""


def best_places(ranked: Sequence[Ranked], limit: int, matcher: Matcher, read_details: ReadDetails) -> list[Hit]:
    """The best places of all videos, best first."""
    every = [(score, video.video_id, number) for video in ranked for number, score in video.places]
    every.sort(key=lambda each: (-each[0], each[1], each[2]))
    details = read_details((video_id, number) for _, video_id, number in every[:limit])
    return [
        _hit(matcher, (video_id, number), score, details[video_id, number])
        for score, video_id, number in every[:limit]
        if (video_id, number) in details
    ]


def best_videos(ranked: Sequence[Ranked], limit: int, matcher: Matcher, read_details: ReadDetails) -> list[Found]:
    """The best videos, each with its best places."""
    details = read_details((video.video_id, number) for video in ranked[:limit] for number, _ in video.places)
    found = []
    for video in ranked[:limit]:
        hits = tuple(
            _hit(matcher, (video.video_id, number), score, details[video.video_id, number])
            for number, score in video.places
            if (video.video_id, number) in details
        )
        if hits:
            found.append(Found(video.video_id, hits[0].title, video.score, hits))
    return found


def _hit(matcher: Matcher, place: Place, score: float, details: Details) -> Hit:
    text = details.text
    spans, first = snippets.place(matcher, text, details.language)
    if place[1] == ABOUT and not spans:
        text = details.title
        spans, first = snippets.place(matcher, text, details.language)
    start = details.start
    if place[1] != ABOUT and spans:
        start = moment(spans[first][0], details.marks, start)
    return Hit(
        video_id=place[0],
        title=details.title,
        start=round(start, 3),
        end=details.stop,
        snippet=snippets.snippet(text, spans, first),
        score=score,
    )
