"""Makes a pending video of a file that another service uploaded and announced with `video.uploaded`, once."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from video_assets.artifacts.upload import UploadRecord, put_upload_record, read_upload_record
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake import arrival_rows, upload_rows
from video_assets.intake.identity import FAR_AHEAD, Apart, must_match
from video_assets.intake.kafka import Received, Uploaded, own_key, parse
from video_assets.intake.uploads import title_of
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import VideoStatus, video_prefix

log = logging.getLogger(__name__)
Outcome = Literal["taken", "known", "refused"]


def arrive(received: Received, *, database: Database, storage: Storage, settings: Settings, now: datetime) -> Outcome:
    """Handles a message. One that cannot be taken goes into `unapplied_events` with the reason, and the next one is
    read. TransientError where storage or database is away, or they do not belong together: the message must then be
    read again."""
    try:
        must_match(database, storage)
    except Apart as error:  # not this message's fault, so it must not be lost
        raise TransientError(one_line(error)) from error
    try:
        return _taken(parse(received.data), database=database, storage=storage, settings=settings, now=now)
    except TransientError:
        raise
    except PermanentError as error:
        reason = one_line(error)
    except Exception as error:  # no message may hold up the others, whatever is in it
        log.exception("message %s of %s", received.offset, received.topic)
        reason = one_line(f"unexpected {type(error).__name__}: {error}", 200)
    with database.write() as session:
        arrival_rows.set_aside(session, received, reason, now=now)
    return "refused"


def _taken(message: Uploaded, *, database: Database, storage: Storage, settings: Settings, now: datetime) -> Outcome:
    with database.write() as session:
        if _known(session, message, now=now):
            return "known"
        newest = upload_rows.newest_id(session)
    if message.video_id > newest + FAR_AHEAD:
        raise PermanentError(f"videoId: {message.video_id} is far above the newest, {newest}; it is no id of ours")
    if not own_key(message.file_key, message.video_id):
        raise PermanentError(f"fileKey: {message.file_key} belongs to something else than video {message.video_id}")
    stat = storage.stat(message.file_key)
    if stat is None:
        raise PermanentError(f"fileKey: there is no {message.file_key} in storage")
    filename = message.metadata.filename or message.file_key.rpartition("/")[2]
    record = UploadRecord(
        video_id=message.video_id,
        key=message.file_key,
        title=title_of(filename),
        user_id=message.user_id,
        filename=one_line(filename, 255),
        content_type=message.metadata.content_type,
        size_bytes=stat.bytes,
        created_at=message.ts,
    )
    with database.read() as session:
        record = arrival_rows.described(session, record)
        ours = arrival_rows.video(session, message.video_id) is not None
    if not ours:
        _must_be_free(storage, record)
    # The upload record first: no artifact of a pending video can be made without it.
    put_upload_record(storage, record)
    with database.write() as session:
        if _known(session, message, now=now):
            return "known"
        arrival_rows.admit(session, message, record, now=now, service=settings.outbox_service)
    return "taken"


def _must_be_free(storage: Storage, record: UploadRecord) -> None:
    """PermanentError where storage has another video under this id, which the tables do not know. If an earlier try of
    this message was interrupted, storage has this video's own upload record, which is fine."""
    folder = video_prefix(record.video_id)
    there = {stat.key for stat in storage.list(folder) if not stat.key.startswith(f"{folder}source/")}
    if there == {f"{folder}upload.json"}:
        with suppress(PermanentError, ValueError):
            if read_upload_record(storage, record.video_id).key == record.key:
                return
    if not there:
        return
    raise PermanentError(
        f"videoId: the storage has a video {record.video_id} already that the tables do not know; "
        "`video-assets rebuild --database` restores it"
    )


def _known(session: Session, message: Uploaded, *, now: datetime) -> bool:
    """Whether there is nothing to do: the message was handled before, its video was deleted, or its video has this
    file already, as with our own messages. PermanentError where the video has another file."""
    if arrival_rows.is_known(session, message.message_id, message.video_id):
        arrival_rows.note(session, message.message_id, now=now)
        return True
    video = arrival_rows.video(session, message.video_id)
    if video is None or not video.key:
        return False
    if video.key != message.file_key:
        raise PermanentError(f"videoId: video {message.video_id} has another file already; delete it first")
    if video.status in (VideoStatus.UPLOADING.value, VideoStatus.PENDING.value) and not arrival_rows.has_upload(
        session, message.video_id
    ):
        return False  # another service wrote the row; we write the rest
    arrival_rows.note(session, message.message_id, now=now)
    return True
