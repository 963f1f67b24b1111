"""Uploads over HTTP that can be resumed: begun, sent in parts, and completed to a pending video.

The row of such an upload is what keeps its video: the process that began it may be gone long before it is complete.
Whatever is interrupted here can be repeated, or is taken back by the sweep once the upload has expired.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex

from sqlalchemy.orm import Session

from video_assets.accounts import visibility
from video_assets.artifacts.captions import current_captions, put_captions
from video_assets.artifacts.upload import put_upload_record
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, TransientError
from video_assets.intake import multipart_rows, upload_rows
from video_assets.intake.claim import claim_key, new_video
from video_assets.intake.identity import must_match
from video_assets.intake.upload_plan import (
    MultipartUpload,
    OverQuota,
    UploadCompleted,
    clean_captions,
    clean_filename,
    media_type,
    no_such_upload,
    part_bytes_for,
)
from video_assets.intake.uploads import (
    NewVideo,
    check_room,
    check_size,
    clean_title,
    record_of,
    remove_upload,
    source_key,
    take_back,
    title_of,
)
from video_assets.settings import Settings
from video_assets.storage import NotFound, Part, PartAddress, PartRefused, PartWriter, Storage
from video_assets.storage.multipart import check_parts
from video_assets.videos import Video

Note = Callable[[Session, int], None]
"""Writes more about a video (its id) into the transaction of a change: who sees it, who made the change."""
_PAUSES = (0.0, 0.1, 0.4, 1.0)
"""Seconds, before an upload that storage does not know counts as lost."""
_ID = re.compile(r"[0-9a-f]{32}")


def initiate(
    new: NewVideo,
    *,
    filename: str,
    content_type: str | None,
    size_bytes: int,
    captions: tuple[str, bytes] | None = None,
    hashed: bool = False,
    database: Database,
    storage: Storage,
    settings: Settings,
    now: datetime,
    note: Note | None = None,
) -> MultipartUpload:
    """Begins an upload: a row at `uploading`, a claimed id, and the captions in storage. `hashed`: each part comes with
    its SHA-256, which storage checks. Before any byte is sent, raises Refused for what can never be taken (OverQuota
    where the user's videos take too much), PermanentError where there is no room, Apart where tables and storage do
    not belong together. After an error nothing of the video is left."""
    name = clean_filename(filename)
    words = clean_captions(captions) if captions else None
    check_size(name, size_bytes, settings)
    must_match(database, storage)
    check_room(name, size_bytes, storage, settings)
    upload = MultipartUpload(
        upload_id=token_hex(16),
        video_id=0,
        key="",
        filename=name,
        content_type=media_type(name, content_type),
        size_bytes=size_bytes,
        part_bytes=part_bytes_for(size_bytes),
        user_id=new.user_id,
        created_at=now,
        expires_at=now + timedelta(hours=settings.upload_hours),
    )

    def add(session: Session) -> Video:
        _must_fit(session, upload, settings)
        video = upload_rows.add_video(
            session,
            title=clean_title(new.title) if new.title else title_of(name),
            description=new.description,
            user_id=new.user_id,
            user_name=new.user_name,
            now=now,
        )
        if new.visibility is not None:  # with the row, or everybody would see it for a moment
            visibility.change(session, video.id, new.visibility, now=now)
        multipart_rows.add(session, replace(upload, video_id=video.id, key=source_key(video.id, name)))
        return video

    video, claim = new_video(database, storage, add)
    try:
        if words:
            put_captions(storage, video.id, words[1], words[0])
        upload = replace(upload, video_id=video.id, key=source_key(video.id, name))
        begun = storage.begin_multipart(
            upload.key, content_type=upload.content_type, part_bytes=upload.part_bytes, hashed=hashed
        )
        upload = replace(upload, storage_upload_id=begun)
        with database.write() as session:
            if not multipart_rows.begun(session, upload):
                raise no_such_upload()  # the video was deleted meanwhile
            if note:
                note(session, video.id)
    except BaseException:
        take_back(claim, None, database, storage, unsure=False)
        raise
    finally:
        claim.end()  # from now on the row keeps the video
    return upload


def find(database: Database, upload_id: str) -> MultipartUpload:
    """An upload, also one that has expired or is complete. NoSuchUpload where there is none."""
    if not _ID.fullmatch(upload_id):
        raise no_such_upload()
    with database.read() as session:
        upload = multipart_rows.find(session, upload_id)
    if upload is None or upload.is_aborted:
        raise no_such_upload()
    return upload


def parts(upload: MultipartUpload, *, storage: Storage) -> Sequence[Part]:
    """The parts that are in storage, by number. Of an upload whose object is there already these are all, with empty
    etags, which nobody knows any more."""
    if upload.completed_at is None:
        try:
            return storage.parts(upload.key, upload.storage_upload_id)
        except NotFound:
            if not _is_stored(upload, storage):
                raise no_such_upload() from None
    return [Part(number, upload.size_of(number), "") for number in range(1, upload.part_count + 1)]


def part_address(
    upload: MultipartUpload,
    number: int,
    *,
    size: int,
    seconds: int,
    storage: Storage,
    now: datetime,
    sha256: str | None = None,
) -> PartAddress | None:
    """Where the client may send this part by itself; None where it must send it through us (`open_part`). Raises
    PartRefused where it is no part of the file or has another size, and what `must_be_open` raises."""
    _must_take(upload, number, size, now)
    return storage.part_url(upload.key, upload.storage_upload_id, number, size=size, seconds=seconds, sha256=sha256)


@contextmanager
def open_part(
    upload: MultipartUpload, number: int, *, size: int, storage: Storage, now: datetime, sha256: str | None = None
) -> Iterator[PartWriter]:
    """A writer for this part, for a storage without addresses. Raises as `part_address` does, and NoSuchUpload where
    the upload ends meanwhile."""
    _must_take(upload, number, size, now)
    try:
        with storage.open_part(upload.key, upload.storage_upload_id, number, size, sha256=sha256) as writer:
            yield writer
    except NotFound:
        raise no_such_upload() from None


def complete(
    upload_id: str,
    named: Sequence[tuple[int, str]] | None,
    *,
    database: Database,
    storage: Storage,
    settings: Settings,
    now: datetime,
    note: Note | None = None,
) -> Video:
    """Makes the object of its parts, and the video pending. `named`: number and etag of each part, as the client knows
    them; None: whatever is there. May be repeated, also by two at once; then the video is the same, told of once, and
    `note` is called once. Raises PartsDiffer, which names missing and wrong parts, NoSuchUpload and UploadExpired."""
    upload = find(database, upload_id)
    if upload.completed_at is None:
        upload.must_be_open(now)
        _make_object(upload, named, storage)
        if not _made_pending(upload, database=database, storage=storage, settings=settings, now=now, note=note):
            remove_upload(storage, upload.video_id)  # what was written after the others had gone
            raise no_such_upload()
    with suppress(TransientError, PermanentError):  # the upload is complete; a claim that stays does no harm
        storage.delete(claim_key(upload.video_id))
    with database.read() as session:
        video = upload_rows.video(session, upload.video_id)
    if video is None:  # deleted meanwhile
        raise no_such_upload()
    return video


def abort(upload_id: str, *, database: Database, storage: Storage) -> bool:
    """Ends an upload and removes its video and parts; False where there is none any more. UploadCompleted where it is
    complete."""
    if not _ID.fullmatch(upload_id):
        return False
    with database.read() as session:
        upload = multipart_rows.find(session, upload_id)
    if upload is None:
        return False
    if not end(upload, database=database, storage=storage):
        with database.read() as session:
            upload = multipart_rows.find(session, upload_id)
        if upload is not None:
            raise UploadCompleted(f"the upload is complete: it is video {upload.video_id}; delete that")
        return False
    return True


def end(upload: MultipartUpload, *, database: Database, storage: Storage) -> bool:
    """Removes an upload that is not complete, with its parts and its video; False where it is complete or gone. First
    the row says that it is aborted, so that nobody completes what is being removed; then the files go, then the rows.
    After an interruption it can be repeated."""
    with database.write() as session:
        current = multipart_rows.locked(session, upload)
        if current is None or current.completed_at is not None:
            return False
        multipart_rows.abort(session, current)
    if current.storage_upload_id:
        storage.abort_multipart(current.key, current.storage_upload_id)
    remove_upload(storage, current.video_id)
    with database.write() as session:
        upload_rows.withdraw_unfinished(session, current.video_id)
    return True


def _must_fit(session: Session, upload: MultipartUpload, settings: Settings) -> None:
    quota = settings.user_quota_bytes
    if not quota or upload.user_id is None:
        return
    taken = multipart_rows.taken_by(session, upload.user_id)
    if taken + upload.size_bytes > quota:
        raise OverQuota(
            f"{upload.filename} has {upload.size_bytes:,} bytes; your videos have {taken:,} already, and may have "
            f"{quota:,} together: delete some"
        )


def _must_take(upload: MultipartUpload, number: int, size: int, now: datetime) -> None:
    upload.must_be_open(now)
    expected = upload.size_of(number)
    if size != expected:
        raise PartRefused(f"part {number} must have {expected:,} bytes")


def _make_object(upload: MultipartUpload, named: Sequence[tuple[int, str]] | None, storage: Storage) -> None:
    if _is_stored(upload, storage):  # an earlier try got as far as that
        return
    try:
        there = storage.parts(upload.key, upload.storage_upload_id)
        wanted = _wanted(upload, [(part.number, part.etag) for part in there] if named is None else named)
        storage.complete_multipart(upload.key, upload.storage_upload_id, check_parts(wanted, there, upload.part_count))
    except (NotFound, PermanentError, TransientError) as error:
        # Another request was faster, or only the answer was lost. A server over a folder takes the object away for a
        # moment where two complete it at once.
        for pause in _PAUSES if isinstance(error, NotFound) else (0.0,):
            time.sleep(pause)
            if _is_stored(upload, storage):
                return
        if isinstance(error, NotFound):
            raise no_such_upload() from None
        raise


def _wanted(upload: MultipartUpload, named: Sequence[tuple[int, str]]) -> list[Part]:
    count = upload.part_count
    return [
        Part(number, upload.size_of(number) if 1 <= number <= count else 0, etag.strip('"')) for number, etag in named
    ]


def _is_stored(upload: MultipartUpload, storage: Storage) -> bool:
    """Whether the object is there. Nobody else writes under its key: its id is claimed."""
    stat = storage.stat(upload.key)
    return stat is not None and stat.bytes == upload.size_bytes


def _made_pending(
    upload: MultipartUpload,
    *,
    database: Database,
    storage: Storage,
    settings: Settings,
    now: datetime,
    note: Note | None,
) -> bool:
    """Writes the upload record and the rows; False where the upload was aborted or its video deleted meanwhile."""
    with database.read() as session:
        video = upload_rows.video(session, upload.video_id)
    if video is None:
        return False
    captions = current_captions(storage, upload.video_id)
    record = record_of(
        video,
        upload.key,
        filename=upload.filename,
        content_type=upload.content_type,
        size_bytes=upload.size_bytes,
        created_at=upload.created_at,
    )
    put_upload_record(storage, record)
    with database.write() as session:
        current = multipart_rows.locked(session, upload)
        if current is None or current.is_aborted:
            return False
        if current.completed_at is not None:  # another request was faster
            return True
        upload_rows.finish(
            session,
            record,
            now=now,
            service=settings.outbox_service,
            captions_sha256=captions.sha256 if captions else None,
            upload_id=upload.upload_id,
        )
        multipart_rows.complete(session, upload, now)
        if note:
            note(session, upload.video_id)
    return True
