"""Videos: the list, one of them, its title and visibility, its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from video_assets.accounts.permissions import Visibility
from video_assets.clock import utc_now
from video_assets.library import deletion, editing, listing
from video_assets.library.listing import Card
from video_assets.videos import VideoStatus
from video_assets.web.ask import Ask, Asked, etag_of
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying, before, conditional, cursor_of, described, holds

router = APIRouter(tags=["videos"])
VideoId = Annotated[int, Path(ge=1, lt=2**31, description="Number of the video.", examples=[7])]


class Progress(Saying):
    """What a run that is at work last said."""

    stage: str
    fraction: float
    speed: float | None = Field(description="Times real time.")
    eta_seconds: float | None


class VideoSaid(Saying):
    """A video."""

    id: int
    title: str
    description: str | None
    user_id: int | None
    user_name: str | None
    status: str = Field(examples=["ready"])
    status_message: str | None
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    processed_at: datetime | None
    duration_seconds: float | None
    watchable: bool
    progress: Progress | None

    @classmethod
    def of(cls, card: Card) -> VideoSaid:
        doing = card.doing
        return cls(
            id=card.id,
            title=card.title,
            description=card.description,
            user_id=card.user_id,
            user_name=card.user_name,
            status=card.status,
            status_message=card.status_message,
            visibility=card.visibility,
            created_at=card.created_at,
            updated_at=card.updated_at,
            processed_at=card.processed_at,
            duration_seconds=card.duration,
            watchable=card.watchable,
            progress=Progress(
                stage=doing.stage, fraction=doing.fraction, speed=doing.speed, eta_seconds=doing.eta_seconds
            )
            if doing
            else None,
        )


class Videos(Saying):
    """A page of videos, newest first."""

    items: list[VideoSaid]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


@router.get("/videos", response_model=Videos, summary="The videos that one may see")
def list_videos(
    ask: Asked,
    request: Request,
    status: VideoStatus | None = None,
    user_id: Annotated[int | None, Query(alias="userId", ge=1, lt=2**31)] = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    wish = listing.Wish(before(cursor), limit, status.value if status else None, user_id)
    with ask.systems.database.read() as session:
        found = listing.page(session, ask.sight, wish, ask.default_visibility)
    shown = found[:limit]
    last = shown[-1].id if len(found) > limit else None
    return conditional(request, Videos(items=[VideoSaid.of(card) for card in shown], next_cursor=cursor_of(last)))


@router.get("/videos/{video_id}", response_model=VideoSaid, summary="One video")
def get_video(ask: Asked, request: Request, video_id: VideoId) -> Response:
    return conditional(request, VideoSaid.of(card_of(ask, video_id)))


class VideoChange(Asking):
    """What changes; what is left out stays."""

    title: str | None = Field(None, min_length=1, max_length=1000, json_schema_extra=described("Herons at dawn"))
    description: str | None = Field(None, max_length=20_000)
    visibility: Visibility | None = None


@router.patch("/videos/{video_id}", response_model=VideoSaid, summary="Change title, description or visibility")
def change_video(ask: Asked, request: Request, video_id: VideoId, body: VideoChange) -> Response:
    systems, now = ask.systems, utc_now()
    with systems.database.read() as session:
        ask.changeable(session, video_id)
    condition = request.headers.get("if-match")
    if condition is not None:
        current = VideoSaid.of(card_of(ask, video_id)).model_dump_json(by_alias=True).encode()
        if not holds(condition, etag_of(current)):
            raise Problem(412, "somebody else changed the video meanwhile; read it again")
    given = body.model_fields_set
    if given & {"title", "description"}:
        editing.describe(
            systems,
            video_id,
            title=body.title if "title" in given else None,
            description=body.description if "description" in given else editing.UNCHANGED,
            now=now,
            note=lambda session: ask.note(session, "video.describe", video_id=video_id),
        )
    if body.visibility is not None:
        editing.show_to(
            systems,
            video_id,
            body.visibility,
            now=now,
            note=lambda session: ask.note(
                session, "video.visibility", video_id=video_id, visibility=body.visibility and body.visibility.value
            ),
        )
    return conditional(request, VideoSaid.of(card_of(ask, video_id)))


@router.delete("/videos/{video_id}", status_code=204, summary="Delete a video for good")
def delete_video(ask: Asked, video_id: VideoId) -> Response:
    systems = ask.systems
    with systems.database.write() as session:
        ask.changeable(session, video_id)
        ask.note(session, "video.delete", video_id=video_id)
    deletion.delete_video(
        video_id,
        database=systems.database,
        storage=systems.storage,
        search=systems.search,
        settings=systems.settings,
        now=utc_now(),
    )
    return Response(status_code=204)


def card_of(ask: Ask, video_id: int) -> Card:
    """The video, if he may see it. Problem 404 otherwise."""
    with ask.systems.database.read() as session:
        found = listing.cards(session, [video_id], ask.sight, ask.default_visibility)
    if not found:
        raise Problem(404, f"there is no video {video_id}")
    return found[0]
