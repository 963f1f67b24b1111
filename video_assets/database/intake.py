"""What intake writes: a video's row, its descriptive columns, `uploading` to `pending`, `video.uploaded`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord
from video_assets.database import publishing
from video_assets.database.models import DeletedVideoRow, UploadMetadataRow, VideoRow
from video_assets.events import payloads
from video_assets.videos import Video, VideoStatus


def add_video(
    session: Session,
    *,
    title: str,
    description: str | None,
    user_id: int | None,
    user_name: str | None,
    now: datetime,
) -> Video:
    """A new row at `uploading`. Its id was never another video's and never will be."""
    row = VideoRow(
        title=title, description=description, user_id=user_id, user_name=user_name, key="",
        status=VideoStatus.UPLOADING.value, created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return Video(row.id, "", title, description, user_id, user_name, now)


def set_source(session: Session, video_id: int, key: str) -> None:
    """Where the uploaded object lies."""
    session.execute(update(VideoRow).where(VideoRow.id == video_id).values(key=key))


def mark_pending(
    session: Session,
    video_id: int,
    *,
    now: datetime,
    service: str,
    filename: str | None,
    content_type: str | None,
    size_bytes: int | None,
    upload_id: str | None = None,
    correlation_id: str | None = None,
    location: str | None = None,
) -> None:
    """Every byte is in storage: the video waits for its run, and other services hear of it."""
    row = session.get_one(VideoRow, video_id)
    row.status = VideoStatus.PENDING.value
    session.add(
        UploadMetadataRow(
            video_id=video_id,
            filename=filename,
            content_type=content_type,
            upload_id=upload_id,
            size_bytes=size_bytes,
            location=location,
            correlation_id=correlation_id,
            created_at=now,
        )
    )
    event = payloads.uploaded(
        video_id, user_id=row.user_id, file_key=row.key, filename=filename, content_type=content_type,
        upload_id=upload_id, location=location, correlation_id=correlation_id, at=now,
    )  # fmt: skip
    publishing.add_events(session, [event], service=service)


def withdraw(session: Session, video_id: int) -> None:
    """Takes back a row whose upload did not come to its end."""
    session.execute(delete(VideoRow).where(VideoRow.id == video_id, VideoRow.status == VideoStatus.UPLOADING.value))


def restore(session: Session, record: UploadRecord) -> None:
    """Puts a row back from its upload record; the projection then brings the rest."""
    row = session.get(VideoRow, record.video_id)
    if row is None:
        row = VideoRow(id=record.video_id, status=VideoStatus.PENDING.value, updated_at=record.created_at)
        session.add(row)
    row.title, row.description, row.key = record.title, record.description, record.key
    row.user_id, row.user_name, row.created_at = record.user_id, record.user_name, record.created_at


def restore_deleted(session: Session, video_id: int, deleted_at: datetime) -> None:
    """Remembers again that a video was deleted, and keeps its id from being given anew."""
    if session.get(DeletedVideoRow, video_id) is None:
        session.add(DeletedVideoRow(video_id=video_id, title=None, deleted_at=deleted_at))
    if session.get(VideoRow, video_id) is None:
        # The counter of ids only learns of this one by a row of it.
        session.add(VideoRow(id=video_id, title="", key="", status="", created_at=deleted_at, updated_at=deleted_at))
        session.flush()
        session.execute(delete(VideoRow).where(VideoRow.id == video_id))
