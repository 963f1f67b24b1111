"""Questions to the tables; nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from video_assets.database.models import ArtifactRow, AttemptRow, ProgressRow, VideoRow
from video_assets.videos import Stage

MOST_AT_ONCE = 500


def videos(session: Session, *, limit: int) -> Sequence[VideoRow]:
    """The newest videos first."""
    return session.scalars(select(VideoRow).order_by(VideoRow.id.desc()).limit(limit)).all()


def video(session: Session, video_id: int) -> VideoRow | None:
    """One video's row."""
    return session.get(VideoRow, video_id)


def all_ids(session: Session) -> list[int]:
    """Ids of all videos, rising."""
    return list(session.scalars(select(VideoRow.id).order_by(VideoRow.id)))


def counts(session: Session) -> dict[str, int]:
    """How many videos stand at each status."""
    found = session.execute(select(VideoRow.status, func.count()).group_by(VideoRow.status))
    return {status: number for status, number in found}


def attempts(session: Session, video_id: int) -> Sequence[AttemptRow]:
    """The video's attempts, oldest first."""
    return session.scalars(select(AttemptRow).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)).all()


def artifacts(session: Session, video_id: int) -> Sequence[ArtifactRow]:
    """What is current of the video, in the order of the stages."""
    rows = session.scalars(select(ArtifactRow).where(ArtifactRow.video_id == video_id)).all()
    order = [stage.value for stage in Stage]
    return sorted(rows, key=lambda row: order.index(row.artefact))


def progress(session: Session, video_ids: Sequence[int]) -> dict[int, ProgressRow]:
    """The newest progress of each of these videos, as far as there is any."""
    chosen = select(ProgressRow).where(ProgressRow.video_id.in_(video_ids)).order_by(ProgressRow.beat_at)
    return {row.video_id: row for row in session.scalars(chosen)}


def heartbeats(session: Session, run_ids: Sequence[str]) -> dict[str, datetime]:
    """When these runs were last heard of, as far as they ever were."""
    chosen = select(ProgressRow.run_id, ProgressRow.beat_at).where(ProgressRow.run_id.in_(run_ids))
    return {run_id: beat_at for run_id, beat_at in session.execute(chosen)}


def sample_of_ledger(session: Session, stage: Stage, size: int) -> list[int]:
    """Some videos, chosen at random, that have this artefact."""
    chosen = select(ArtifactRow.video_id).where(ArtifactRow.artefact == stage.value)
    return sorted(session.scalars(chosen.order_by(func.random()).limit(size)))


def runs_in_ledger(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Those of these runs that made something that is current."""
    return set(session.scalars(select(ArtifactRow.run_id).where(ArtifactRow.run_id.in_(run_ids)).distinct()))


def ledger_versions(session: Session) -> dict[tuple[int, str], str]:
    """(video, artefact) → the manifest that is current, of the whole ledger."""
    chosen = select(ArtifactRow.video_id, ArtifactRow.artefact, ArtifactRow.manifest_key)
    return {(video_id, artefact): key for video_id, artefact, key in session.execute(chosen)}
