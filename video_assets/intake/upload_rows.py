"""Rows that intake owns: a new video, its descriptive columns, the step from `uploading` to `pending`, its
`video.uploaded`."""

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
    """Adds a video's row, with an id that was never given before. `set_source` adds the file's key later."""
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
    """Sets the storage key of the uploaded object. PermanentError where the video is gone."""
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
    """The file is in storage: makes the video pending and adds `video.uploaded` to the outbox. False where that message
    was added before. PermanentError where the video is gone, because it was deleted during the upload."""
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
                # The video row's time, so that a rebuild from the upload record writes the same.
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


def finish(
    session: Session,
    record: UploadRecord,
    *,
    now: datetime,
    service: str,
    captions_sha256: str | None,
    upload_id: str | None = None,
) -> None:
    """Everything of the upload is in storage: writes it into the row, makes the video pending, tells of it, and notes
    the record. May be repeated. PermanentError where the video is gone."""
    set_source(session, record.video_id, record.key)
    mark_pending(
        session,
        record.video_id,
        now=now,
        service=service,
        filename=record.filename,
        content_type=record.content_type,
        size_bytes=record.size_bytes,
        upload_id=upload_id,
    )
    note_record(session, record, size_bytes=record.size_bytes, captions_sha256=captions_sha256)


def video(session: Session, video_id: int) -> Video | None:
    """The descriptive columns of a video; None where there is none."""
    row = session.get(VideoRow, video_id)
    return None if row is None else _video(row)


def note_record(session: Session, record: UploadRecord, *, size_bytes: int | None, captions_sha256: str | None) -> None:
    """Writes into `upload_records` what storage has of the upload, so that recipes can be asked without storage.
    `size_bytes`: of the uploaded object; None where storage cannot tell, and then an existing row stays. Does nothing
    where the video was deleted meanwhile."""
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
    """Ids of uploaded videos without a row in `upload_records`, ascending."""
    query = (
        select(VideoRow.id)
        .outerjoin(UploadRecordRow, UploadRecordRow.video_id == VideoRow.id)
        .outerjoin(AdoptedVideoRow, AdoptedVideoRow.video_id == VideoRow.id)
        .where(
            UploadRecordRow.video_id.is_(None),
            VideoRow.key != "",
            VideoRow.status != VideoStatus.UPLOADING.value,
            AdoptedVideoRow.recorded.is_not(False),  # an adopted video needs its record in storage first
        )
    )
    return list(session.scalars(query.order_by(VideoRow.id).limit(limit)))


def newest_id(session: Session) -> int:
    """The highest id of any video, deleted ones included; 0 where there was none."""
    ids = (session.scalar(select(func.max(column))) for column in (VideoRow.id, DeletedVideoRow.video_id))
    return max(found or 0 for found in ids)


def withdraw(session: Session, video_id: int) -> None:
    """Removes the row of a video whose upload failed. No message: none was sent about it."""
    session.execute(delete(VideoRow).where(VideoRow.id == video_id))


def unfinished_since(session: Session, before: datetime | None = None) -> list[int]:
    """Ids of videos whose upload has not ended, ascending; with `before` only those that began before then."""
    return list(session.scalars(select(VideoRow.id).where(*_unfinished(before)).order_by(VideoRow.id)))


def withdraw_unfinished(session: Session, video_id: int, before: datetime | None = None) -> bool:
    """Removes the row of such a video; False where its upload has ended meanwhile."""
    row = session.scalar(select(VideoRow).where(VideoRow.id == video_id, *_unfinished(before)).with_for_update())
    if row is None:
        return False
    withdraw(session, video_id)
    return True


def _unfinished(before: datetime | None) -> tuple[ColumnElement[bool], ...]:
    uploading = VideoRow.status == VideoStatus.UPLOADING.value
    return (uploading,) if before is None else (uploading, VideoRow.updated_at < before)


def restore(session: Session, record: UploadRecord, *, size_bytes: int | None = None) -> None:
    """Writes a video's row from its upload record; a new row is `pending`, and the projection does the rest. A deleted
    video stays deleted."""
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
    """Records again that a video was deleted, and keeps its id from being given again."""
    if session.get(DeletedVideoRow, video_id) is None:
        session.add(DeletedVideoRow(video_id=video_id, title=None, deleted_at=deleted_at))
        session.flush()
    never_again(session, video_id)


def never_again(session: Session, video_id: int) -> None:
    """Moves the id counter to at least this id. An id that was inserted explicitly, or is known from storage only, does
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
