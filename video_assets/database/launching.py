"""Rows of `launches`: who asked for a run, under which key, and whether it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from video_assets.database.models import AttemptRow, LaunchRow, VideoRow
from video_assets.lifecycle.events import RunState
from video_assets.lifecycle.launching import Launch, OpenLaunch, Waiting
from video_assets.videos import VideoStatus

_LIVE = (RunState.QUEUED.value, RunState.STARTED.value)


def claim(session: Session, video_id: int, *, claimed_by: str, reason: str, now: datetime) -> str:
    """Notes that a run of this video is being started; returns its run key. An open launch is taken over."""
    row = session.scalar(select(LaunchRow).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None)))
    if row is None:
        row = _new(session, video_id, claimed_by, reason, now)
    row.claimed_by, row.requested_at = claimed_by, now
    session.flush()
    return row.run_key


def request(session: Session, video_id: int, *, claimed_by: str, reason: str, now: datetime) -> None:
    """Asks for a run, which the uploads sensor will launch; nothing where one is asked for already."""
    open_one = select(LaunchRow.id).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None))
    if session.scalar(open_one) is None:
        _new(session, video_id, claimed_by, reason, now)
        session.flush()


def open_run_keys(session: Session) -> list[str]:
    """Run keys of launches that have not been answered yet."""
    return list(session.scalars(select(LaunchRow.run_key).where(LaunchRow.closed_at.is_(None))))


def close_answered(session: Session, run_by_key: Mapping[str, str], *, now: datetime) -> None:
    """Closes the launches whose run is there, by its key, or by an attempt since the launch was made."""
    for row in session.scalars(select(LaunchRow).where(LaunchRow.closed_at.is_(None))):
        run_id = run_by_key.get(row.run_key) or _attempt_since(session, row)
        if run_id is not None:
            row.run_id, row.closed_at = run_id, now


def waiting_and_live(session: Session, *, limit: int) -> tuple[list[Waiting], list[OpenLaunch]]:
    """Pending videos without a run and without an open launch, oldest first; and the open launches."""
    live = exists().where(AttemptRow.video_id == VideoRow.id, AttemptRow.state.in_(_LIVE))
    asked = exists().where(LaunchRow.video_id == VideoRow.id, LaunchRow.closed_at.is_(None))
    chosen = (
        select(VideoRow.id, VideoRow.created_at)
        .where(VideoRow.status == VideoStatus.PENDING.value, ~live, ~asked)
        .order_by(VideoRow.created_at, VideoRow.id)
        .limit(limit)
    )
    waiting = [Waiting(video_id, created_at) for video_id, created_at in session.execute(chosen)]
    open_ones = session.scalars(select(LaunchRow).where(LaunchRow.closed_at.is_(None)).order_by(LaunchRow.id))
    return waiting, [OpenLaunch(row.video_id, row.run_key, row.reason, row.requested_at) for row in open_ones]


def record(session: Session, chosen: Sequence[Launch], *, claimed_by: str, now: datetime) -> list[OpenLaunch]:
    """Notes what is about to be launched, giving new launches their keys; returns them all with keys."""
    recorded: list[OpenLaunch] = []
    for launch in chosen:
        row = session.scalar(
            select(LaunchRow).where(LaunchRow.video_id == launch.video_id, LaunchRow.closed_at.is_(None))
        )
        if row is None:
            row = _new(session, launch.video_id, claimed_by, launch.reason, now)
        row.requested_at = now
        session.flush()
        recorded.append(OpenLaunch(row.video_id, row.run_key, row.reason, now))
    return recorded


def _new(session: Session, video_id: int, claimed_by: str, reason: str, now: datetime) -> LaunchRow:
    highest = session.scalar(select(func.max(LaunchRow.number)).where(LaunchRow.video_id == video_id))
    number = (highest or 0) + 1
    row = LaunchRow(
        video_id=video_id, number=number, claimed_by=claimed_by, run_key=f"{video_id}-{number}", reason=reason,
        created_at=now,
    )  # fmt: skip
    session.add(row)
    return row


def _attempt_since(session: Session, row: LaunchRow) -> str | None:
    begun = func.coalesce(AttemptRow.queued_at, AttemptRow.started_at, AttemptRow.finished_at)
    chosen = select(AttemptRow.run_id).where(AttemptRow.video_id == row.video_id, begun >= row.created_at)
    return session.scalar(chosen.limit(1))
