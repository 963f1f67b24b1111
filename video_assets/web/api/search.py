"""Search in everything that one may see: titles, summaries, and what is said, to the second."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from video_assets.library import listing
from video_assets.search import Filters, Viewer
from video_assets.web.ask import Ask, Asked
from video_assets.web.words import Saying

router = APIRouter(tags=["search"])


class Place(Saying):
    """A place in a video."""

    start: float = Field(description="Second at which the words are said; 0 for the video as a whole.")
    end: float
    snippet: str = Field(description="HTML: matched words in <mark>, all else escaped.")
    score: float


class FoundVideo(Saying):
    """A video that answers."""

    video_id: int
    title: str
    score: float
    hits: list[Place] = Field(description="Its best places, three at most.")


class Answers(Saying):
    """What was found, best first."""

    items: list[FoundVideo]


@router.get("/videos/search", summary="Search")
def search_videos(
    ask: Asked,
    q: Annotated[str, Query(max_length=1000, description="Any words.", examples=["fishing boats"])],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
    user_id: Annotated[int | None, Query(alias="userId", ge=1, lt=2**31)] = None,
    language: Annotated[str | None, Query(max_length=10, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$")] = None,
    created_from: Annotated[datetime | None, Query(alias="createdFrom")] = None,
    created_before: Annotated[datetime | None, Query(alias="createdBefore")] = None,
    shortest: Annotated[float | None, Query(ge=0, le=1e9, description="Seconds.")] = None,
    longest: Annotated[float | None, Query(ge=0, le=1e9, description="Seconds.")] = None,
) -> Answers:
    filters = Filters(
        user_id=user_id,
        language=language,
        created_from=created_from,
        created_before=created_before,
        shortest=shortest,
        longest=longest,
        viewer=_viewer(ask),
    )
    found = ask.systems.search.videos(q, limit=limit, filters=filters)
    # The index follows the tables within moments; what it does not know yet is left out here.
    with ask.systems.database.read() as session:
        shown = listing.visible(session, [each.video_id for each in found], ask.sight, ask.default_visibility)
    return Answers(
        items=[
            FoundVideo(
                video_id=each.video_id,
                title=each.title,
                score=each.score,
                hits=[Place(start=hit.start, end=hit.end, snippet=hit.snippet, score=hit.score) for hit in each.hits],
            )
            for each in found
            if each.video_id in shown
        ]
    )


def _viewer(ask: Ask) -> Viewer | None:
    """Who asks, as the index understands it; None where everything is seen."""
    sight = ask.sight
    if sight.everything:
        return None
    return Viewer(sight.members, sight.user_id, sight.shared_video, ask.default_visibility.value)
