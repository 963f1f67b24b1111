"""Work on videos, for those who do not know Dagster: what waits and about how long, what failed; retry and cancel."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from video_assets.accounts import visibility
from video_assets.accounts.permissions import Sight, Visibility
from video_assets.clock import utc_now
from video_assets.database.models import AccessRow, AttemptRow, CancelRequestRow, VideoRow
from video_assets.database.upsert import upsert
from video_assets.library.views import doing_of
from video_assets.runs import launches
from video_assets.videos import RunState, Stage, VideoStatus

Request = Callable[[Session, int], str]
"""Asks for something of a video; the reason where it cannot be, else empty."""

HISTORY = 50
"""So many of the last runs tell how long one takes."""
_UNDER_WAY = [
    status.value
    for status in VideoStatus
    if status not in (VideoStatus.UPLOADING, VideoStatus.READY, VideoStatus.FAILED)
]


@dataclass(frozen=True)
class Entry:
    """A video in the queue. Seconds from now; None where nothing tells."""

    video_id: int
    title: str
    status: str
    place: int
    starts_in: float | None
    ends_in: float | None


@dataclass(frozen=True)
class Queue:
    """The queue as far as somebody may see it; places count those that he may not see."""

    entries: list[Entry]
    seconds_a_run: float | None


def queue(session: Session, slots: int, *, limit: int, sight: Sight, default: Visibility) -> Queue:
    """What is worked on and what waits, in its order."""
    typical = seconds_a_run(session)
    seen = visibility.seen(sight, default)
    rows = session.execute(
        select(VideoRow.id, VideoRow.title, VideoRow.status, seen.label("seen"), _is_going().label("going"))
        .outerjoin(AccessRow, AccessRow.video_id == VideoRow.id)
        .where(VideoRow.status.in_(_UNDER_WAY))
        .order_by(VideoRow.created_at, VideoRow.id)
    ).all()
    going = [row for row in rows if row.going]
    waiting = [row for row in rows if not row.going]
    doing = doing_of(session, [row.id for row in going])
    left = {row.id: doing[row.id].eta_seconds if row.id in doing else None for row in going}
    entries = [Entry(row.id, row.title, row.status, 0, 0.0, left[row.id] or typical) for row in going if row.seen]
    for place, row in enumerate(waiting, 1):
        starts = None if typical is None else typical * ((place - 1 + len(going)) // slots)
        ends = None if starts is None or typical is None else starts + typical
        if row.seen:
            entries.append(Entry(row.id, row.title, row.status, place, starts, ends))
    return Queue(entries[:limit], typical)


def seconds_a_run(session: Session) -> float | None:
    """The median of the last runs that made something; None where there were none."""
    rows = session.execute(
        select(AttemptRow.started_at, AttemptRow.finished_at)
        .where(AttemptRow.state == RunState.SUCCEEDED.value, AttemptRow.started_at.is_not(None))
        .order_by(AttemptRow.finished_at.desc())
        .limit(HISTORY)
    ).all()
    took = [(end - start).total_seconds() for start, end in rows if end is not None and end > start]
    return round(statistics.median(took), 1) if took else None


@dataclass(frozen=True)
class Failed:
    """A video that failed, with its last attempt."""

    video_id: int
    title: str
    message: str | None
    kind: str | None
    stage: str | None
    attempts: int
    failed_at: datetime | None


def failures(session: Session, *, before: int | None, limit: int, sight: Sight, default: Visibility) -> list[Failed]:
    """Failed videos that he may see, newest first; those below the id `before`."""
    query = (
        select(VideoRow)
        .outerjoin(AccessRow, AccessRow.video_id == VideoRow.id)
        .where(VideoRow.status == VideoStatus.FAILED.value, visibility.seen(sight, default))
        .order_by(VideoRow.id.desc())
        .limit(limit)
    )
    rows = list(session.scalars(query if before is None else query.where(VideoRow.id < before)))
    ids = [row.id for row in rows]
    last: dict[int, AttemptRow] = {}
    for attempt in session.scalars(select(AttemptRow).where(AttemptRow.video_id.in_(ids)).order_by(AttemptRow.number)):
        last[attempt.video_id] = attempt
    counted = select(AttemptRow.video_id, func.count()).where(AttemptRow.video_id.in_(ids))
    counts: dict[int, int] = {video: count for video, count in session.execute(counted.group_by(AttemptRow.video_id))}
    return [
        Failed(
            row.id,
            row.title,
            row.status_message,
            last[row.id].error_kind if row.id in last else None,
            last[row.id].error_stage if row.id in last else None,
            counts.get(row.id, 0),
            last[row.id].finished_at if row.id in last else None,
        )
        for row in rows
    ]


def retry(session: Session, video_id: int, stages: Sequence[Stage]) -> str:
    """Asks for a run of the video, which makes what is missing or stale, and these stages in any case."""
    row = session.get(VideoRow, video_id)
    if row is None:
        return f"there is no video {video_id}"
    if row.status == VideoStatus.UPLOADING.value:
        return "its upload has not ended"
    # Whatever was asked before: now it shall run.
    session.execute(delete(CancelRequestRow).where(CancelRequestRow.video_id == video_id))
    asked = launches.request(
        session, video_id, reason="retry", now=utc_now(), remake=[stage.value for stage in stages] or None
    )
    return "" if asked else "a run of it is asked for already"


def cancel(session: Session, video_id: int, *, by: int | None) -> str:
    """Asks that the runs of the video be stopped."""
    row = session.get(VideoRow, video_id)
    if row is None:
        return f"there is no video {video_id}"
    if row.status == VideoStatus.UPLOADING.value:
        return "its upload has not ended; abort that"
    at_rest = row.status in (VideoStatus.READY.value, VideoStatus.FAILED.value)
    if at_rest and not _has_run(session, video_id) and not launches.has_open(session, video_id):
        return "nothing of it is running"
    upsert(
        session,
        CancelRequestRow,
        ("video_id",),
        [{"video_id": video_id, "requested_by": by, "requested_at": utc_now()}],
    )
    return ""


def _has_run(session: Session, video_id: int) -> bool:
    live = AttemptRow.state.in_([RunState.QUEUED.value, RunState.STARTED.value])
    return session.scalar(select(AttemptRow.run_id).where(AttemptRow.video_id == video_id, live).limit(1)) is not None


def _is_going() -> ColumnElement[bool]:
    started = AttemptRow.state == RunState.STARTED.value
    return select(AttemptRow.run_id).where(AttemptRow.video_id == VideoRow.id, started).exists()
