"""Small records of rows, for commands, which stay usable after the session is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from video_assets.database.models import VideoRow
from video_assets.library import queries
from video_assets.videos import VideoStatus

SETTLED = (VideoStatus.READY.value, VideoStatus.FAILED.value)


@dataclass(frozen=True)
class Doing:
    """The last progress of a running run."""

    run_id: str
    stage: str
    fraction: float
    speed: float | None
    """Times real time."""
    eta_seconds: float | None
    beat_at: datetime


@dataclass(frozen=True)
class Listed:
    """A video, as `status` lists it."""

    id: int
    title: str
    status: str
    status_message: str | None
    created_at: datetime
    processed_at: datetime | None
    doing: Doing | None
    """Set while a run works on the video."""


def listed(session: Session, *, limit: int) -> list[Listed]:
    """The newest `limit` videos, newest first."""
    return _listed(session, queries.videos(session, limit=limit))


def one(session: Session, video_id: int) -> Listed | None:
    """One video; None where there is none."""
    row = queries.video(session, video_id)
    return _listed(session, [row])[0] if row else None


def moving(session: Session, also: Sequence[int] = (), *, limit: int = 200) -> list[Listed]:
    """The videos that are neither ready nor failed, and those in `also`, oldest first."""
    return _listed(session, queries.moving(session, also, limit=limit))


def counts(session: Session) -> dict[str, int]:
    """Status → number of videos, in the order of the statuses."""
    found = queries.counts(session)
    known = [status.value for status in VideoStatus]
    return dict(sorted(found.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known)))


def doing_of(session: Session, video_ids: Sequence[int]) -> dict[int, Doing]:
    """The last progress of each of these videos on which a run is at work."""
    return {
        video_id: Doing(row.run_id, row.stage, row.fraction, row.speed, row.eta_seconds, row.beat_at)
        for video_id, row in queries.working(session, video_ids).items()
    }


def _listed(session: Session, rows: Sequence[VideoRow]) -> list[Listed]:
    doing = doing_of(session, [row.id for row in rows])
    return [
        Listed(row.id, row.title, row.status, row.status_message, row.created_at, row.processed_at, doing.get(row.id))
        for row in rows
    ]
