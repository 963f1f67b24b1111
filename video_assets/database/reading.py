"""Read-only queries, for the command, the pages and the checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from video_assets.database import states
from video_assets.database.models import (
    ArtifactRow,
    AttemptRow,
    DeletedVideoRow,
    ProgressRow,
    SummaryRow,
    TranscriptRow,
    UnappliedRow,
    VariantRow,
    VideoRow,
)
from video_assets.lifecycle.state import Current
from video_assets.videos import Stage


@dataclass(frozen=True)
class VideoDetail:
    """One video with everything the tables say of it."""

    video: VideoRow
    attempts: Sequence[AttemptRow]
    """By number."""
    artifacts: dict[Stage, Current]
    progress: ProgressRow | None
    """The newest heartbeat of its runs."""
    variants: Sequence[VariantRow]
    transcript: TranscriptRow | None
    summary: SummaryRow | None


def video(session: Session, video_id: int) -> VideoRow | None:
    """The row, None where there is none."""
    return session.get(VideoRow, video_id)


def videos(
    session: Session,
    *,
    video_ids: Sequence[int] | None = None,
    status: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[VideoRow]:
    """Rows, newest first."""
    query = select(VideoRow).order_by(VideoRow.id.desc()).limit(limit).offset(offset)
    if status is not None:
        query = query.where(VideoRow.status == status)
    if video_ids is not None:
        query = query.where(VideoRow.id.in_(video_ids))
    return list(session.scalars(query))


def counts(session: Session) -> dict[str, int]:
    """How many videos stand at each status."""
    rows = session.execute(select(VideoRow.status, func.count()).group_by(VideoRow.status))
    return {status: count for status, count in rows}


def detail(session: Session, video_id: int) -> VideoDetail | None:
    """One video, None where there is none."""
    row = session.get(VideoRow, video_id)
    if row is None:
        return None
    attempts = session.scalars(select(AttemptRow).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number))
    artifacts = session.scalars(select(ArtifactRow).where(ArtifactRow.video_id == video_id))
    variants = session.scalars(select(VariantRow).where(VariantRow.video_id == video_id).order_by(VariantRow.id))
    return VideoDetail(
        video=row,
        attempts=attempts.all(),
        artifacts={Stage(made.artefact): states.current_of(made) for made in artifacts},
        progress=progress(session, [video_id]).get(video_id),
        variants=variants.all(),
        transcript=session.scalar(select(TranscriptRow).where(TranscriptRow.video_id == video_id)),
        summary=session.scalar(select(SummaryRow).where(SummaryRow.video_id == video_id)),
    )


def progress(session: Session, video_ids: Sequence[int]) -> dict[int, ProgressRow]:
    """The newest heartbeat of each of these videos that has one."""
    rows = session.scalars(select(ProgressRow).where(ProgressRow.video_id.in_(video_ids)).order_by(ProgressRow.beat_at))
    return {row.video_id: row for row in rows}


def ledger(session: Session, video_ids: Sequence[int]) -> dict[int, dict[Stage, Current]]:
    """What is current of these videos."""
    found: dict[int, dict[Stage, Current]] = {video_id: {} for video_id in video_ids}
    for row in session.scalars(select(ArtifactRow).where(ArtifactRow.video_id.in_(video_ids))):
        found[row.video_id][Stage(row.artefact)] = states.current_of(row)
    return found


def video_ids(session: Session, *, after: int = 0, limit: int = 1000) -> list[int]:
    """Ids above `after`, rising: for going through all videos page by page."""
    return list(session.scalars(select(VideoRow.id).where(VideoRow.id > after).order_by(VideoRow.id).limit(limit)))


def sample_of_ledger(session: Session, stage: Stage, limit: int) -> list[int]:
    """Videos chosen at random among those that have this artefact."""
    query = select(ArtifactRow.video_id).where(ArtifactRow.artefact == stage.value)
    return list(session.scalars(query.order_by(func.random()).limit(limit)))


def unapplied(session: Session, limit: int = 100) -> list[UnappliedRow]:
    """Events that belong to no video, newest first."""
    return list(session.scalars(select(UnappliedRow).order_by(UnappliedRow.storage_id.desc()).limit(limit)))


def deleted_ids(session: Session) -> list[int]:
    """Videos that were deleted, rising."""
    return list(session.scalars(select(DeletedVideoRow.video_id).order_by(DeletedVideoRow.video_id)))
