"""The rows of uploads over HTTP, and what a user's videos take together."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from video_assets.database.models import MultipartUploadRow, UploadMetadataRow, UploadRecordRow, VideoRow
from video_assets.intake.upload_plan import MultipartUpload

_QUOTA_LOCK = 0x71756F74
"""With the user's id it makes the lock under which the uploads of one user are counted."""


def add(session: Session, upload: MultipartUpload) -> None:
    """Adds an upload, which storage has not begun yet."""
    session.add(
        MultipartUploadRow(
            upload_id=upload.upload_id,
            video_id=upload.video_id,
            storage_upload_id=upload.storage_upload_id,
            key=upload.key,
            filename=upload.filename,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
            part_bytes=upload.part_bytes,
            user_id=upload.user_id,
            created_at=upload.created_at,
            expires_at=upload.expires_at,
            completed_at=upload.completed_at,
        )
    )
    session.flush()


def begun(session: Session, upload: MultipartUpload) -> bool:
    """Notes storage's id of the upload; False where the row is gone."""
    row = _locked(session, upload)
    if row is not None:
        row.storage_upload_id = upload.storage_upload_id
    return row is not None


def find(session: Session, upload_id: str) -> MultipartUpload | None:
    """An upload, also one that has ended; None where there is none."""
    row = session.get(MultipartUploadRow, upload_id)
    return None if row is None else _upload(row)


def locked(session: Session, upload: MultipartUpload) -> MultipartUpload | None:
    """The upload as it is now, locked until the end of the transaction."""
    row = _locked(session, upload)
    return None if row is None else _upload(row)


def complete(session: Session, upload: MultipartUpload, now: datetime) -> None:
    """Notes that the upload is complete."""
    session.get_one(MultipartUploadRow, upload.upload_id).completed_at = now


def abort(session: Session, upload: MultipartUpload) -> None:
    """Notes that the upload is aborted: from now on it cannot be completed."""
    session.get_one(MultipartUploadRow, upload.upload_id).expires_at = upload.created_at


def unfinished(session: Session) -> list[MultipartUpload]:
    """Uploads that storage has begun and that are not complete."""
    query = select(MultipartUploadRow).where(
        MultipartUploadRow.completed_at.is_(None), MultipartUploadRow.storage_upload_id != ""
    )
    return [_upload(row) for row in session.scalars(query)]


def is_begun(session: Session, video_id: int) -> bool:
    """Whether storage has begun an upload over HTTP of this video."""
    query = select(MultipartUploadRow.upload_id).where(
        MultipartUploadRow.video_id == video_id, MultipartUploadRow.storage_upload_id != ""
    )
    return session.scalar(query) is not None


def taken_by(session: Session, user_id: int) -> int:
    """How many bytes the user's videos have together, with uploads that are going on. Until the end of the transaction
    nobody else gets an answer for this user, so that the next one counts what is added here."""
    if session.get_bind().dialect.name != "sqlite":  # there a writer has the whole database
        session.execute(text("SELECT pg_advisory_xact_lock(:what, :whose)"), {"what": _QUOTA_LOCK, "whose": user_id})
    size = func.coalesce(MultipartUploadRow.size_bytes, UploadRecordRow.bytes, UploadMetadataRow.size_bytes, 0)
    query = (
        select(func.coalesce(func.sum(size), 0))
        .select_from(VideoRow)
        .outerjoin(MultipartUploadRow, MultipartUploadRow.video_id == VideoRow.id)
        .outerjoin(UploadRecordRow, UploadRecordRow.video_id == VideoRow.id)
        .outerjoin(UploadMetadataRow, UploadMetadataRow.video_id == VideoRow.id)
        .where(VideoRow.user_id == user_id)
    )
    return int(session.scalar(query) or 0)


def _locked(session: Session, upload: MultipartUpload) -> MultipartUploadRow | None:
    # The video first, as whoever deletes it does: else the two could wait for each other.
    if session.get(VideoRow, upload.video_id, with_for_update=True) is None:
        return None
    return session.get(MultipartUploadRow, upload.upload_id, with_for_update=True)


def _upload(row: MultipartUploadRow) -> MultipartUpload:
    return MultipartUpload(
        upload_id=row.upload_id,
        video_id=row.video_id,
        key=row.key,
        filename=row.filename,
        content_type=row.content_type,
        size_bytes=row.size_bytes,
        part_bytes=row.part_bytes,
        user_id=row.user_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        storage_upload_id=row.storage_upload_id,
    )
