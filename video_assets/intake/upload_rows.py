"""Rows that intake owns: a new video, its descriptive columns, `uploading` to `pending`, `video.uploaded`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord
from video_assets.database.models import (
    AdoptedVideoRow,
    DeletedVideoRow,
    UploadMetadataRow,
    UploadRecordRow,
    VideoRow,
)
from video_assets.database.upsert import upsert
from video_assets.errors import PermanentError
from video_assets.outbox import messages, rows
from video_assets.videos import Video, VideoStatus


def add_video(
    session: Session,
    *,
    title: str,
    now: datetime,
    description: str | None = None,
    user_id: int | None = None,
    user_name: str | None = None,
    status: str = VideoStatus.UPLOADING.value,
) -> Video:
    """A new row; its id was never given before. Its file comes with `set_source`."""
    row = VideoRow(
        title=title,
        description=description,
        user_id=user_id,
        user_name=user_name,
        key="",
        status=status,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return _video(row)


def set_source(session: Session, video_id: int, key: str) -> None:
    """Where the uploaded object lies. PermanentError where the video is gone."""
    _existing(session, video_id).key = key


def mark_pending(
    session: Session,
    video_id: int,
    *,
    now: datetime,
    service: str = rows.DEFAULT_SERVICE,
    filename: str | None = None,
    content_type: str | None = None,
    size_bytes: int | None = None,
    upload_id: str | None = None,
    location: str | None = None,
    correlation_id: str | None = None,
) -> bool:
    """The file is there: the video waits for its run, and others hear of it. Once is enough: False where it
    was told already. PermanentError where the video is gone (it was deleted while its bytes came)."""
    row = _existing(session, video_id)
    if row.status == VideoStatus.UPLOADING.value:
        row.status = VideoStatus.PENDING.value
    upsert(
        session,
        UploadMetadataRow,
        ("video_id",),
        [
            {
                "video_id": video_id,
                "filename": filename,
                "content_type": content_type,
                "upload_id": upload_id,
                "size_bytes": size_bytes,
                "location": location,
                "correlation_id": correlation_id,
                # The row's own time, so that it can be told again from the upload record.
                "created_at": row.created_at,
            }
        ],
    )
    event = messages.uploaded(
        video_id,
        user_id=row.user_id,
        file_key=row.key,
        filename=filename,
        content_type=content_type,
        upload_id=upload_id,
        location=location,
        correlation_id=correlation_id,
        at=now,
    )
    return bool(rows.add(session, [event], service=service))


def note_record(session: Session, record: UploadRecord, *, size_bytes: int | None, captions_sha256: str | None) -> None:
    """Notes what storage has of the upload, for whoever must not ask storage: recipes and staleness. `size_bytes`: of
    the uploaded object, None where storage cannot tell; what was noted before stays then. Nothing where the video was
    deleted meanwhile."""
    if session.get(VideoRow, record.video_id, with_for_update=True) is None:
        return
    if size_bytes is None and session.get(UploadRecordRow, record.video_id) is not None:
        return
    row = {
        "video_id": record.video_id,
        "key": record.key,
        "bytes": size_bytes,
        "title": record.title,
        "description": record.description,
        "captions_sha256": captions_sha256,
    }
    upsert(session, UploadRecordRow, ("video_id",), [row])


def without_record(session: Session, limit: int) -> list[int]:
    """Videos whose upload has come, and of which `note_record` was never told; rising."""
    query = (
        select(VideoRow.id)
        .outerjoin(UploadRecordRow, UploadRecordRow.video_id == VideoRow.id)
        .outerjoin(AdoptedVideoRow, AdoptedVideoRow.video_id == VideoRow.id)
        .where(
            UploadRecordRow.video_id.is_(None),
            VideoRow.key != "",
            VideoRow.status != VideoStatus.UPLOADING.value,
            AdoptedVideoRow.recorded.is_not(False),  # one that was taken over gets its record first
        )
    )
    return list(session.scalars(query.order_by(VideoRow.id).limit(limit)))


def newest_id(session: Session) -> int:
    """The highest id that a video has or had; 0 where there was none."""
    ids = (session.scalar(select(func.max(column))) for column in (VideoRow.id, DeletedVideoRow.video_id))
    return max(found or 0 for found in ids)


def withdraw(session: Session, video_id: int) -> None:
    """Takes back a video whose file never came whole. Nobody had heard of it, so nothing is told."""
    session.execute(delete(VideoRow).where(VideoRow.id == video_id))


def unfinished_since(session: Session, before: datetime | None = None) -> list[int]:
    """Videos whose upload has not ended (and began before this moment, where one is given), rising."""
    return list(session.scalars(select(VideoRow.id).where(*_unfinished(before)).order_by(VideoRow.id)))


def withdraw_unfinished(session: Session, video_id: int, before: datetime | None = None) -> bool:
    """Takes such a video back; False where its upload has ended meanwhile."""
    row = session.scalar(select(VideoRow).where(VideoRow.id == video_id, *_unfinished(before)).with_for_update())
    if row is None:
        return False
    withdraw(session, video_id)
    return True


def _unfinished(before: datetime | None) -> tuple[ColumnElement[bool], ...]:
    uploading = VideoRow.status == VideoStatus.UPLOADING.value
    return (uploading,) if before is None else (uploading, VideoRow.updated_at < before)


def restore(session: Session, record: UploadRecord, *, size_bytes: int | None = None) -> None:
    """Puts a video's row back as its upload record tells it, waiting; the projection does the rest. A video
    that was deleted stays deleted."""
    if session.get(DeletedVideoRow, record.video_id) is not None:
        return
    descriptive = {
        "id": record.video_id,
        "title": record.title,
        "description": record.description,
        "user_id": record.user_id,
        "user_name": record.user_name,
        "key": record.key,
        "created_at": record.created_at,
    }
    if session.get(VideoRow, record.video_id) is None:
        session.add(VideoRow(**descriptive, status=VideoStatus.PENDING.value, updated_at=record.created_at))
        session.flush()
    else:
        session.execute(update(VideoRow).where(VideoRow.id == record.video_id).values(descriptive))
    metadata = {
        "video_id": record.video_id,
        "filename": record.filename,
        "content_type": record.content_type,
        "created_at": record.created_at,
    }
    upsert(session, UploadMetadataRow, ("video_id",), [metadata | ({"size_bytes": size_bytes} if size_bytes else {})])
    never_again(session, record.video_id)


def restore_deleted(session: Session, video_id: int, deleted_at: datetime) -> None:
    """Puts back that a video was deleted; its id is not given again."""
    if session.get(DeletedVideoRow, video_id) is None:
        session.add(DeletedVideoRow(video_id=video_id, title=None, deleted_at=deleted_at))
        session.flush()
    never_again(session, video_id)


def never_again(session: Session, video_id: int) -> None:
    """Ids given from now on are above this one: one that was written openly, or is known from storage alone, does
    not move the counter by itself."""
    given = {"id": video_id}
    if session.get_bind().dialect.name == "sqlite":
        moved = text("UPDATE sqlite_sequence SET seq = max(seq, :id) WHERE name = 'videos'")
        if not getattr(session.execute(moved, given), "rowcount", 0):
            session.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('videos', :id)"), given)
    else:
        counter = "pg_get_serial_sequence('videos', 'id')"
        session.execute(text(f"SELECT setval({counter}, greatest(nextval({counter}), :id))"), given)


def _existing(session: Session, video_id: int) -> VideoRow:
    row = session.get(VideoRow, video_id, with_for_update=True)
    if row is None:
        raise PermanentError(f"there is no video {video_id}; it may have been deleted, upload it again")
    return row


def _video(row: VideoRow) -> Video:
    return Video(row.id, row.key, row.title, row.description, row.user_id, row.user_name, row.created_at)
