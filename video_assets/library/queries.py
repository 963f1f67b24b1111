"""Read-only queries, for commands, checks and operations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord
from video_assets.database.models import (
    AdoptedVideoRow,
    ArtifactRow,
    AttemptRow,
    OutboxOrderRow,
    OutboxRow,
    ProgressRow,
    SummaryRow,
    UploadMetadataRow,
    VideoRow,
)
from video_assets.projection import store
from video_assets.projection.state import Current
from video_assets.videos import Stage, VideoStatus, video_prefix

_AT_REST = (VideoStatus.READY.value, VideoStatus.FAILED.value)


def video(session: Session, video_id: int) -> VideoRow | None:
    """The row, None where there is none."""
    return session.get(VideoRow, video_id)


def upload(session: Session, video_id: int) -> UploadRecord | None:
    """The video's upload record, made from its rows; None where there is no video, or its upload has not come."""
    row = session.get(VideoRow, video_id)
    return record_of(row, session.get(UploadMetadataRow, video_id)) if row is not None and row.key else None


def record_of(video: VideoRow, uploaded: UploadMetadataRow | None) -> UploadRecord:
    """The upload record that these rows contain."""
    return UploadRecord(
        video_id=video.id,
        key=video.key,
        title=video.title,
        description=video.description,
        user_id=video.user_id,
        user_name=video.user_name,
        filename=uploaded.filename if uploaded else None,
        content_type=uploaded.content_type if uploaded else None,
        size_bytes=uploaded.size_bytes if uploaded else None,
        created_at=video.created_at,
    )


def videos(session: Session, *, status: str | None = None, limit: int = 100) -> list[VideoRow]:
    """The videos, newest first; with `status` only those that have it."""
    query = select(VideoRow).order_by(VideoRow.id.desc()).limit(limit)
    return list(session.scalars(query if status is None else query.where(VideoRow.status == status)))


def moving(session: Session, also: Sequence[int] = (), *, limit: int = 200) -> list[VideoRow]:
    """The videos that are neither ready nor failed, and those in `also`, oldest first."""
    underway = VideoRow.status.in_([status.value for status in VideoStatus if status.value not in _AT_REST])
    query = select(VideoRow).where(or_(underway, VideoRow.id.in_(also))).order_by(VideoRow.id).limit(limit)
    return list(session.scalars(query))


def all_ids(session: Session) -> list[int]:
    """Every video's id, ascending."""
    return list(session.scalars(select(VideoRow.id).order_by(VideoRow.id)))


def stored_by_us(session: Session) -> set[int]:
    """Ids of the videos whose uploaded file is in its own folder, `videos/{id}/`; not those of the services before."""
    rows = session.execute(select(VideoRow.id, VideoRow.key))
    return {video_id for video_id, key in rows if key.startswith(video_prefix(video_id))}


def oldest_ready(session: Session) -> list[int]:
    """Ids of the ready videos, in the order in which they became ready."""
    ready = select(VideoRow.id).where(VideoRow.status == VideoStatus.READY.value)
    return list(session.scalars(ready.order_by(VideoRow.processed_at, VideoRow.id)))


def counts(session: Session) -> dict[str, int]:
    """Status → number of videos."""
    rows = session.execute(select(VideoRow.status, func.count()).group_by(VideoRow.status))
    return {status: count for status, count in rows}


def attempts(session: Session, video_id: int) -> list[AttemptRow]:
    """The video's runs, by number."""
    return list(session.scalars(select(AttemptRow).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)))


def artifacts(session: Session, video_id: int) -> list[ArtifactRow]:
    """The video's current artifacts, in the order of the stages."""
    rows = session.scalars(select(ArtifactRow).where(ArtifactRow.video_id == video_id))
    return sorted(rows, key=lambda row: list(Stage).index(Stage(row.artefact)))


def ledger(session: Session, video_ids: Sequence[int]) -> dict[int, dict[Stage, Current]]:
    """Video id → its current artifacts by stage; empty for a video that has none."""
    found: dict[int, dict[Stage, Current]] = {video_id: {} for video_id in video_ids}
    for row in session.scalars(select(ArtifactRow).where(ArtifactRow.video_id.in_(video_ids))):
        found[row.video_id][Stage(row.artefact)] = store.current_of(row)
    return found


def adopted_ready(session: Session, video_ids: Sequence[int]) -> set[int]:
    """Those of the videos that were adopted as `ready` from the services before."""
    ready = AdoptedVideoRow.status == VideoStatus.READY.value
    return set(session.scalars(select(AdoptedVideoRow.video_id).where(AdoptedVideoRow.video_id.in_(video_ids), ready)))


def ledger_versions(session: Session) -> dict[tuple[int, str], tuple[str, str]]:
    """(video id, stage) → (run, fingerprint) of every current artifact, by which changes are found."""
    rows = session.execute(
        select(ArtifactRow.video_id, ArtifactRow.artefact, ArtifactRow.run_id, ArtifactRow.fingerprint)
    )
    return {(row.video_id, row.artefact): (row.run_id, row.fingerprint) for row in rows}


def runs_in_ledger(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Those of the runs that made a current artifact."""
    return set(session.scalars(select(ArtifactRow.run_id).where(ArtifactRow.run_id.in_(run_ids)).distinct()))


def sample_of_ledger(session: Session, stage: Stage, limit: int) -> list[int]:
    """Ids of at most `limit` videos, chosen at random among those that have an artifact of this stage."""
    query = select(ArtifactRow.video_id).where(ArtifactRow.artefact == stage.value)
    return list(session.scalars(query.order_by(func.random()).limit(limit)))


def heartbeats(session: Session, run_ids: Sequence[str]) -> dict[str, datetime]:
    """Run id → last heartbeat, for those of these runs that have one."""
    rows = session.execute(select(ProgressRow.run_id, ProgressRow.beat_at).where(ProgressRow.run_id.in_(run_ids)))
    return {row.run_id: row.beat_at for row in rows}


def working(session: Session, video_ids: Sequence[int]) -> dict[int, ProgressRow]:
    """Video id → the last progress of its running run. Runs that have ended are left out."""
    over = (
        select(AttemptRow.run_id)
        .where(AttemptRow.run_id == ProgressRow.run_id, AttemptRow.video_id == ProgressRow.video_id)
        .where(AttemptRow.finished_at.is_not(None))
        .exists()
    )
    query = select(ProgressRow).where(ProgressRow.video_id.in_(video_ids), ~over).order_by(ProgressRow.beat_at)
    return {row.video_id: row for row in session.scalars(query)}


def summary(session: Session, video_id: int) -> SummaryRow | None:
    """The video's current summary; None where there is none."""
    return session.scalar(select(SummaryRow).where(SummaryRow.video_id == video_id))


def outbox(session: Session, video_id: int) -> list[tuple[OutboxRow, str | None]]:
    """The video's messages in order, each with the reason why it is parked, or None."""
    rows = session.execute(
        select(OutboxRow, OutboxOrderRow.parked_reason)
        .join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxOrderRow.video_id == video_id)
        .order_by(OutboxOrderRow.seq)
    )
    return [(row, parked) for row, parked in rows]


def unpublished_count(session: Session) -> int:
    """The number of messages that are not published, parked ones included."""
    return session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.published.is_(False))) or 0
