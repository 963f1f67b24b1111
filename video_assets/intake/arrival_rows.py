"""Rows about messages from outside: which were taken, what they made, and which were set aside."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord
from video_assets.database.models import (
    DeletedVideoRow,
    UnappliedRow,
    UploadMetadataRow,
    VideoRow,
)
from video_assets.database.upsert import upsert
from video_assets.intake import processed_messages, upload_rows
from video_assets.intake.kafka import Received, Uploaded
from video_assets.outbox import messages, rows
from video_assets.videos import VideoStatus


def is_known(session: Session, message_id: str, video_id: int) -> bool:
    """Whether the message was taken before, or is about a video that was deleted."""
    return processed_messages.was_taken(session, message_id) or session.get(DeletedVideoRow, video_id) is not None


def note(session: Session, message_id: str, *, now: datetime) -> None:
    """Notes that the message needs nothing more."""
    processed_messages.take(session, message_id, now)


def video(session: Session, video_id: int) -> VideoRow | None:
    """The row, held until the end of the transaction."""
    return session.get(VideoRow, video_id, with_for_update=True)


def has_upload(session: Session, video_id: int) -> bool:
    """Whether intake, ours, has seen to the video's file."""
    return session.get(UploadMetadataRow, video_id) is not None


def described(session: Session, record: UploadRecord) -> UploadRecord:
    """The record with what a row that is there already says of its video."""
    row = session.get(VideoRow, record.video_id)
    if row is None:
        return record
    return record.model_copy(
        update={
            "title": row.title,
            "description": row.description,
            "user_id": row.user_id,
            "user_name": row.user_name,
            "created_at": row.created_at,
        }
    )


def admit(session: Session, message: Uploaded, record: UploadRecord, *, now: datetime, service: str) -> None:
    """Makes the video pending, and notes the message. Everybody has heard of it, so it is not told again."""
    upload_rows.restore(session, record, size_bytes=record.size_bytes)
    row = session.get_one(VideoRow, record.video_id)
    if row.status == VideoStatus.UPLOADING.value:
        row.status = VideoStatus.PENDING.value
    upsert(
        session,
        UploadMetadataRow,
        ("video_id",),
        [
            {
                "video_id": record.video_id,
                "filename": record.filename,
                "content_type": record.content_type,
                "upload_id": message.metadata.upload_id,
                "size_bytes": record.size_bytes,
                "location": message.metadata.location,
                "correlation_id": message.correlation_id,
                "created_at": record.created_at,
            }
        ],
    )
    upload_rows.note_record(session, record, size_bytes=record.size_bytes, captions_sha256=None)
    told = messages.uploaded(
        record.video_id,
        user_id=record.user_id,
        file_key=record.key,
        filename=record.filename,
        content_type=record.content_type,
        upload_id=message.metadata.upload_id,
        location=message.metadata.location,
        correlation_id=message.correlation_id,
        at=message.ts,
    )
    rows.add(session, [told], service=service, published=True)
    note(session, message.message_id, now=now)


def set_aside(session: Session, received: Received, reason: str, *, now: datetime) -> None:
    """Keeps a message that could not be taken, with the reason. Doing it again changes nothing."""
    upsert(
        session,
        UnappliedRow,
        ("storage_id",),
        [
            {
                "storage_id": received.place,
                "kind": f"{received.topic} message",
                "partition": None,
                "reason": reason,
                "payload": {"partition": received.partition, "offset": received.offset, "message": received.text},
                "at": now,
            }
        ],
    )
