"""Rows written for `video.uploaded` messages of other services: handled ones, their videos, and unapplied ones."""

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
    """Whether the message was handled before, or its video was deleted."""
    return processed_messages.was_taken(session, message_id) or session.get(DeletedVideoRow, video_id) is not None


def note(session: Session, message_id: str, *, now: datetime) -> None:
    """Records that the message was handled."""
    processed_messages.take(session, message_id, now)


def video(session: Session, video_id: int) -> VideoRow | None:
    """The video's row, locked until the end of the transaction; None where there is none."""
    return session.get(VideoRow, video_id, with_for_update=True)


def has_upload(session: Session, video_id: int) -> bool:
    """Whether our intake took this video's file in."""
    return session.get(UploadMetadataRow, video_id) is not None


def described(session: Session, record: UploadRecord) -> UploadRecord:
    """The record with title, description, user and time from the video's row, where there is a row already."""
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
    """Makes the video pending, and records that the message was handled. Our own `video.uploaded` is added as already
    published: the other service has announced the file."""
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
    message_out = messages.uploaded(
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
    rows.add(session, [message_out], service=service, published=True)
    note(session, message.message_id, now=now)


def set_aside(session: Session, received: Received, reason: str, *, now: datetime) -> None:
    """Puts a message that could not be taken into `unapplied_events`, with the reason. Doing it again changes
    nothing."""
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
