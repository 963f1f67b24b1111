"""Rows of `adopted_videos`: videos that were adopted from the services before."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord
from video_assets.database.models import (
    AdoptedVideoRow,
    SummaryRow,
    TranscriptRow,
    UploadMetadataRow,
    VariantRow,
    VideoRow,
)
from video_assets.library import queries


def unrecorded(session: Session, limit: int) -> list[UploadRecord]:
    """The upload records, made from rows, of adopted videos that have none in storage yet."""
    rows = session.execute(
        select(VideoRow, UploadMetadataRow)
        .join(AdoptedVideoRow, AdoptedVideoRow.video_id == VideoRow.id)
        .outerjoin(UploadMetadataRow, UploadMetadataRow.video_id == VideoRow.id)
        .where(AdoptedVideoRow.recorded.is_(False))
        .order_by(VideoRow.id)
        .limit(limit)
    )
    return [queries.record_of(video, uploaded) for video, uploaded in rows]


def mark_recorded(session: Session, video_ids: Sequence[int]) -> None:
    """Records that the upload records of these videos are in storage."""
    session.execute(update(AdoptedVideoRow).where(AdoptedVideoRow.video_id.in_(video_ids)).values(recorded=True))


def old_keys(session: Session, video_id: int) -> list[str]:
    """The storage keys that the services before gave to the files of an adopted video; none for other videos."""
    if session.get(AdoptedVideoRow, video_id) is None:
        return []
    keys: set[str] = set()
    for column, owner in (
        (VideoRow.key, VideoRow.id),
        (VariantRow.key, VariantRow.video_id),
        (TranscriptRow.transcript_path, TranscriptRow.video_id),
        (SummaryRow.summary_path, SummaryRow.video_id),
    ):
        keys |= set(session.scalars(select(column).where(owner == video_id)))
    return sorted(key for key in keys if key)
