"""Work: what waits, what failed; retry, make again and cancel, for one video and for many.

Each is a row that the sensors take up, as Dagster is not loaded here. The answer says that it was asked for: what comes
of it is told by the video's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session

from video_assets.accounts.permissions import Scope
from video_assets.library import working
from video_assets.videos import Stage
from video_assets.web.api.videos import VideoId
from video_assets.web.ask import Ask, Asked
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying, before, cursor_of

router = APIRouter(tags=["operating"])


class Outcome(Saying):
    """What was asked for of one video."""

    video_id: int
    accepted: bool
    detail: str = Field(description="Why not, where it is not; else empty.")


class Outcomes(Saying):
    """What was asked for, video by video."""

    items: list[Outcome]


class Stages(Asking):
    """What is to be made again."""

    stages: list[Stage] = Field(
        [], max_length=5, description="Made again although fresh. Empty: only what is missing or stale."
    )


class Many(Asking):
    """Several videos at once."""

    video_ids: list[Annotated[int, Field(ge=1, lt=2**31)]] = Field(min_length=1, max_length=500)


class ManyStages(Many, Stages):
    """Several videos, and what is to be made again of each."""


@router.post("/videos/{video_id}/retry", status_code=202, summary="Try again, or make stages again")
def retry_video(ask: Asked, video_id: VideoId, body: Stages | None = None) -> Outcome:
    return _one(_retry(ask, [video_id], body.stages if body else []))


@router.post("/videos/retry", status_code=202, summary="The same of many")
def retry_videos(ask: Asked, body: ManyStages) -> Outcomes:
    return Outcomes(items=_retry(ask, body.video_ids, body.stages))


@router.post("/videos/{video_id}/cancel", status_code=202, summary="Stop its runs")
def cancel_video(ask: Asked, video_id: VideoId) -> Outcome:
    return _one(_cancel(ask, [video_id]))


@router.post("/videos/cancel", status_code=202, summary="The same of many")
def cancel_videos(ask: Asked, body: Many) -> Outcomes:
    return Outcomes(items=_cancel(ask, body.video_ids))


class Waiting(Saying):
    """A video that waits or is being worked on."""

    video_id: int
    title: str
    status: str
    place: int = Field(description="0: being worked on; 1: the next one.")
    starts_in_seconds: float | None = Field(
        description="About when: from how long the last runs took. Null where there is no history."
    )
    ends_in_seconds: float | None


class Queue(Saying):
    """What is to be done, in its order."""

    slots: int
    seconds_a_run: float | None = Field(description="Median of the last runs that took any time.")
    items: list[Waiting]


@router.get("/queue", summary="What waits, and about how long")
def queue(ask: Asked, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Queue:
    ask.require(Scope.READ)  # it reads everything that waits
    with ask.systems.database.read() as session:
        found = working.queue(
            session, ask.settings.max_concurrent_runs, limit=500, sight=ask.sight, default=ask.default_visibility
        )
    return Queue(
        slots=ask.settings.max_concurrent_runs,
        seconds_a_run=found.seconds_a_run,
        items=[
            Waiting(
                video_id=each.video_id,
                title=each.title,
                status=each.status,
                place=each.place,
                starts_in_seconds=each.starts_in,
                ends_in_seconds=each.ends_in,
            )
            for each in found.entries[:limit]
        ],
    )


class Failure(Saying):
    """A video that failed."""

    video_id: int
    title: str
    message: str | None
    kind: str | None
    stage: str | None
    attempts: int
    failed_at: datetime | None


class Failures(Saying):
    """A page of failures, newest videos first."""

    items: list[Failure]
    next_cursor: str | None


@router.get("/failures", summary="What failed, and why")
def failures(
    ask: Asked,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Failures:
    ask.require(Scope.UPLOAD)
    with ask.systems.database.read() as session:
        found = working.failures(
            session, before=before(cursor), limit=limit + 1, sight=ask.sight, default=ask.default_visibility
        )
    items = [
        Failure(
            video_id=each.video_id,
            title=each.title,
            message=each.message,
            kind=each.kind,
            stage=each.stage,
            attempts=each.attempts,
            failed_at=each.failed_at,
        )
        for each in found[:limit]
    ]
    return Failures(items=items, next_cursor=cursor_of(items[-1].video_id if len(found) > limit else None))


def _retry(ask: Ask, video_ids: Sequence[int], stages: Sequence[Stage]) -> list[Outcome]:
    def do(session: Session, video_id: int) -> str:
        ask.note(session, "video.retry", video_id=video_id, stages=[stage.value for stage in stages])
        return working.retry(session, video_id, stages)

    return _each(ask, video_ids, do)


def _cancel(ask: Ask, video_ids: Sequence[int]) -> list[Outcome]:
    def do(session: Session, video_id: int) -> str:
        ask.note(session, "video.cancel", video_id=video_id)
        return working.cancel(session, video_id, by=ask.principal.user_id)

    return _each(ask, video_ids, do)


def _each(ask: Ask, video_ids: Sequence[int], do: working.Request) -> list[Outcome]:
    """Each in a transaction of its own: one that cannot be asked for does not take the others with it."""
    found = []
    for video_id in dict.fromkeys(video_ids):
        try:
            with ask.systems.database.write() as session:
                ask.changeable(session, video_id)
                detail = do(session, video_id)
        except Problem as problem:
            if len(video_ids) == 1:
                raise
            detail = problem.detail
        found.append(Outcome(video_id=video_id, accepted=not detail, detail=detail))
    return found


def _one(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    if not outcome.accepted:
        raise Problem(409, outcome.detail)
    return outcome
