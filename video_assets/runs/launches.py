"""Rows of `launches`: runs that were requested. A video has at most one open launch, whoever requests it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from video_assets.database.models import AttemptRow, LaunchRow, VideoRow
from video_assets.errors import PermanentError
from video_assets.runs.due import SENSOR, Launch, OpenLaunch, Waiting
from video_assets.videos import RunState, VideoStatus

CANCEL = "cancel"
"""The value of `claimed_by` in the launch of a video that is being canceled."""
_LIVE = (RunState.QUEUED.value, RunState.STARTED.value)


def claim(session: Session, video_id: int, *, claimed_by: str, reason: str, now: datetime) -> str:
    """Records that the caller starts a run of the video itself; returns the run key. The uploads sensor leaves the
    video alone until the launch is older than LAUNCH_TIMEOUT. An open launch is taken over. PermanentError where the
    video is gone."""
    row = _open_launch(session, video_id) or _new(session, video_id, claimed_by, reason, now)
    if row is None:
        raise PermanentError(f"there is no video {video_id}; it may have been deleted")
    row.claimed_by, row.requested_at = claimed_by, now
    return row.run_key


def request(
    session: Session, video_id: int, *, reason: str, now: datetime, remake: Sequence[str] | None = None
) -> bool:
    """Asks the uploads sensor for a run, whatever the video's status; False where a launch is open already or the
    video is gone. `remake`: stages that the run makes again even where they are fresh."""
    row = _open_launch(session, video_id)
    if row is not None and row.claimed_by != CANCEL:
        return False
    if row is not None:  # it was canceled just now, and shall run after all
        row.closed_at = now
        session.flush()
    row = _new(session, video_id, SENSOR, reason, now)
    if row is not None:
        row.remake = list(remake) if remake else None
    return row is not None


def withhold(session: Session, video_id: int, *, now: datetime) -> None:
    """Keeps the uploads sensor from launching the video until `close`, while it is being canceled. A launch that the
    sensor has already requested stays as it is."""
    row = _open_launch(session, video_id) or _new(session, video_id, CANCEL, "cancel", now)
    if row is not None and (row.claimed_by != SENSOR or row.requested_at is None):
        row.claimed_by, row.requested_at = CANCEL, now


def drop_unrequested(session: Session, video_id: int, *, now: datetime) -> None:
    """Closes the launch that somebody has asked for and the sensor has not requested yet, if there is one."""
    row = _open_launch(session, video_id)
    if row is not None and row.claimed_by == SENSOR and row.requested_at is None:
        row.closed_at = now


def has_open(session: Session, video_id: int) -> bool:
    """Whether a run of the video is asked for and does not show yet."""
    row = _open_launch(session, video_id)
    return row is not None and row.claimed_by != CANCEL


def is_requested(session: Session, video_id: int) -> bool:
    """Whether the sensor has requested a run of the video that does not show yet."""
    requested_by_sensor = (
        LaunchRow.video_id == video_id,
        LaunchRow.closed_at.is_(None),
        LaunchRow.claimed_by == SENSOR,
    )
    return (
        session.scalar(select(LaunchRow.id).where(*requested_by_sensor, LaunchRow.requested_at.is_not(None)))
        is not None
    )


def close(session: Session, video_id: int, *, now: datetime) -> None:
    """Closes the video's launch, if one is open."""
    session.execute(
        update(LaunchRow).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None)).values(closed_at=now)
    )


def open_run_keys(session: Session) -> list[str]:
    """Run keys of all open launches."""
    return list(session.scalars(select(LaunchRow.run_key).where(LaunchRow.closed_at.is_(None)).order_by(LaunchRow.id)))


def close_answered(
    session: Session, runs: Mapping[str, str], *, now: datetime, looked_for: Collection[str] = ()
) -> None:
    """Records which open launches have a run by now (`runs`: run key → run id), and closes those that are answered.

    A launch is answered when its run, or any later run of the video, is in `attempts`. That the run exists is not
    enough: the video would be launched again just before its first event is applied. A launch is also closed when its
    run was known, was looked for now (`looked_for`: run keys) and is gone, because somebody deleted it.
    """
    rows = list(session.scalars(select(LaunchRow).where(LaunchRow.closed_at.is_(None))))
    tried: dict[int, list[AttemptRow]] = {}
    for attempt in session.scalars(select(AttemptRow).where(AttemptRow.video_id.in_([row.video_id for row in rows]))):
        tried.setdefault(attempt.video_id, []).append(attempt)
    for row in rows:
        seen = tried.get(row.video_id, [])
        gone = row.run_id is not None and row.run_key in looked_for and row.run_key not in runs
        row.run_id = runs.get(row.run_key) or row.run_id
        if gone or any(each.run_id == row.run_id or _since(each, row.created_at) for each in seen):
            row.closed_at = now


def waiting_and_live(session: Session, limit: int) -> tuple[list[Waiting], list[OpenLaunch]]:
    """Two lists: the pending videos without an unfinished run and without an open launch, oldest first, at most
    `limit`; and all open launches of videos without an unfinished run."""
    launched = exists().where(LaunchRow.video_id == VideoRow.id, LaunchRow.closed_at.is_(None))
    live = exists().where(AttemptRow.video_id == VideoRow.id, AttemptRow.state.in_(_LIVE))
    tried = exists().where(AttemptRow.video_id == VideoRow.id)
    waiting = session.execute(
        select(VideoRow.id, VideoRow.created_at, tried.label("tried"))
        .where(VideoRow.status == VideoStatus.PENDING.value, ~launched, ~live)
        .order_by(VideoRow.created_at, VideoRow.id)
        .limit(limit)
    )
    rows = session.scalars(
        select(LaunchRow).where(
            LaunchRow.closed_at.is_(None),
            ~exists().where(AttemptRow.video_id == LaunchRow.video_id, AttemptRow.state.in_(_LIVE)),
        )
    )
    return (
        [Waiting(row.id, row.created_at, "relaunch" if row.tried else "upload") for row in waiting],
        [
            OpenLaunch(
                row.video_id, row.run_key, row.claimed_by, row.reason, row.created_at, row.requested_at, row.run_id
            )
            for row in rows
        ],
    )


def record(session: Session, chosen: Sequence[Launch], *, claimed_by: str, now: datetime) -> list[Launch]:
    """Records that these launches are being requested, and gives new ones their run keys; returns those to request.
    The row is written before the request, so that after a crash the same key is requested again. A launch that another
    daemon has requested since the decision is left out."""
    requested: list[Launch] = []
    for launch in chosen:
        row = _open_launch(session, launch.video_id)
        if launch.run_key is None:
            row = _new(session, launch.video_id, claimed_by, launch.reason, now) if row is None else None
        elif row is not None and (row.run_key, row.requested_at) != (launch.run_key, launch.requested_at):
            row = None
        if row is not None:
            row.claimed_by, row.requested_at = claimed_by, now
            requested.append(Launch(row.video_id, row.reason, row.run_key, now, tuple(row.remake or ())))
    return requested


def _open_launch(session: Session, video_id: int) -> LaunchRow | None:
    # The lock on the video's row makes concurrent callers take turns.
    session.execute(select(VideoRow.id).where(VideoRow.id == video_id).with_for_update())
    return session.scalar(select(LaunchRow).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None)))


def _new(session: Session, video_id: int, claimed_by: str, reason: str, now: datetime) -> LaunchRow | None:
    if session.get(VideoRow, video_id) is None:
        return None
    last = session.scalar(select(func.max(LaunchRow.number)).where(LaunchRow.video_id == video_id)) or 0
    row = LaunchRow(
        video_id=video_id,
        number=last + 1,
        claimed_by=claimed_by,
        run_key=f"video-{video_id}-{last + 1}",
        reason=reason,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _since(attempt: AttemptRow, moment: datetime) -> bool:
    first = attempt.queued_at or attempt.started_at or attempt.finished_at
    return first is not None and first >= moment
