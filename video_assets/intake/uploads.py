"""Takes a file in: stores it and makes it a pending video. The command and the inbox both call this."""

from __future__ import annotations

import mimetypes
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from video_assets.accounts.permissions import Visibility
from video_assets.artifacts.captions import put_captions
from video_assets.artifacts.upload import UploadRecord, put_upload_record
from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.errors import NoRoom, PermanentError, TransientError, one_line
from video_assets.intake import processed_messages, upload_rows
from video_assets.intake.claim import Claim, new_video
from video_assets.intake.identity import must_match
from video_assets.intake.opened_file import NoFile, Opened, opened
from video_assets.runs import launches
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import Video, video_prefix

CAPTION_ENDINGS = (".vtt", ".srt")
MAX_CAPTION_BYTES = 5 * 2**20
_TITLE_LIMIT = 200
_EVER = timedelta(days=3650)
"""Added to the current time, so that unfinished writes count as old even if the clock was set back since."""


def sidecar_of(path: Path) -> Path | None:
    """The caption file beside a video: `talk.vtt` or `talk.srt` for `talk.mp4`.

    With links resolved, both must be in the same folder: a user who drops a link must not make us read files that he
    has no right to read.
    """
    for ending in CAPTION_ENDINGS:
        candidate = path.with_suffix(ending)
        if candidate != path and candidate.is_file() and candidate.resolve().parent == path.resolve().parent:
            return candidate
    return None


def title_of(filename: str) -> str:
    """A readable title from a file's name: without ending and control characters, never empty."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", filename)
    return clean_title(stem.replace("_", " "))


def clean_title(title: str) -> str:
    """A title as one line of printable text, never empty. Titles may contain terminal escape sequences."""
    words = "".join(" " if unicodedata.category(c).startswith("C") else c for c in title)
    return " ".join(words.split())[:_TITLE_LIMIT] or "untitled"


class Refused(PermanentError):
    """This file can never be taken in: it is empty or too large, say."""


def check_size(name: str, size: int, settings: Settings) -> None:
    """Raises Refused where a file of this size is not accepted."""
    if size < 1:
        raise Refused(f"{name} is empty; copy it again")
    if size > settings.max_upload_bytes:
        raise Refused(f"{name} has {size:,} bytes; at most {settings.max_upload_bytes:,} are taken")


def check_room(name: str, size: int, storage: Storage, settings: Settings, *, through_work: bool = False) -> None:
    """Raises PermanentError where there is not enough free space for a file of this size: in storage, and with
    `through_work` also in HOME, through which the file is copied. A bucket does not report its space; then only HOME is
    checked."""
    in_storage = storage.free_bytes()
    if in_storage is not None:
        _check_room(name, in_storage, size, settings, " in storage")
    if in_storage is None or through_work:
        settings.home.mkdir(parents=True, exist_ok=True)
        _check_room(name, shutil.disk_usage(settings.home).free, size if through_work else 0, settings)


def _check_room(name: str, free: int, needed: int, settings: Settings, where: str = "") -> None:
    if free - needed < settings.min_free_bytes:
        raise NoRoom(f"{name}: the disk has {free:,} bytes free{where}, too few to take it; free some and try again")


class AlreadyTaken(Exception):
    """Another process took this drop in meanwhile."""


@dataclass(frozen=True)
class NewVideo:
    """What the uploader says about a video, and who starts its run."""

    title: str | None = None
    """None: made from the file's name."""
    description: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    visibility: Visibility | None = None
    """Who sees it from its first moment on; None: as the setting says."""
    claimed_by: str | None = None
    """The process that starts the run itself, so that the uploads sensor does not; None: the sensor launches it."""


@dataclass(frozen=True)
class Arrival:
    """A file to take in, from any source."""

    name: str
    size_bytes: int
    store: Callable[[Storage, str, str], None]
    """Writes the file's bytes to (storage, key, content type)."""
    captions: tuple[str, bytes] | None = None
    """Name and content of the caption file that came with it."""
    message_id: str | None = None
    """Id in `processed_messages` by which the file is taken in only once; None where that does not matter."""


def take_in(
    path: Path,
    new: NewVideo | None = None,
    *,
    database: Database,
    storage: Storage,
    settings: Settings,
    captions: Path | tuple[str, bytes] | None = None,
    message_id: str | None = None,
    source: Opened | None = None,
) -> Video:
    """Takes in a local file, with the captions that are given or beside it: see `take_arrival`. `source`: the file, if
    the caller has opened it; then captions are not looked for."""
    with _opened(path) if source is None else _given(source) as file:
        check_size(file.name, file.size, settings)
        file.must_be_whole()
        check_room(file.name, file.size, storage, settings)
        beside = captions if captions or source else sidecar_of(path)

        def store(storage: Storage, key: str, content_type: str) -> None:
            try:
                storage.put_open(key, file.file, content_type=content_type)
            except PermanentError as error:
                raise PermanentError(one_line(f"{file.name}: {error}")) from None
            file.must_be_whole()

        arrival = Arrival(
            name=path.name,
            size_bytes=file.size,
            store=store,
            captions=_read_captions(beside) if isinstance(beside, Path) else beside,
            message_id=message_id,
        )
        return take_arrival(arrival, new or NewVideo(), database=database, storage=storage, settings=settings)


def take_arrival(arrival: Arrival, new: NewVideo, *, database: Database, storage: Storage, settings: Settings) -> Video:
    """Stores the file and its captions and makes it a pending video. The row is written first, as `uploading`, and
    becomes `pending` when every byte is in storage. Raises Refused or PermanentError where the file cannot be taken in,
    AlreadyTaken where another process was faster, Apart where tables and storage do not belong together. After an error
    nothing of the video is left."""
    must_match(database, storage)
    title, now = clean_title(new.title) if new.title else title_of(arrival.name), utc_now()
    video, claim = new_video(
        database,
        storage,
        lambda session: upload_rows.add_video(
            session,
            title=title,
            description=new.description,
            user_id=new.user_id,
            user_name=new.user_name,
            now=now,
        ),
    )
    filename, unsure = one_line(arrival.name, 255), False
    try:
        key = source_key(video.id, arrival.name)
        content_type = mimetypes.guess_type(arrival.name)[0] or "application/octet-stream"
        arrival.store(storage, key, content_type)
        _must_have(storage, key, arrival.size_bytes)
        captions = None
        if arrival.captions:
            captions = put_captions(storage, video.id, arrival.captions[1], arrival.captions[0]).sha256
        record = record_of(
            video, key, filename=filename, content_type=content_type, size_bytes=arrival.size_bytes, created_at=now
        )
        put_upload_record(storage, record)
        unsure = True
        with database.write() as session:
            if arrival.message_id and not processed_messages.take(session, arrival.message_id, utc_now()):
                raise AlreadyTaken(arrival.name)
            if new.claimed_by:
                launches.claim(session, video.id, claimed_by=new.claimed_by, reason="process", now=utc_now())
            upload_rows.finish(
                session, record, now=utc_now(), service=settings.outbox_service, captions_sha256=captions
            )
    except BaseException as error:
        message = None if isinstance(error, AlreadyTaken) else arrival.message_id
        take_back(claim, message, database, storage, unsure=unsure)
        raise
    finally:
        claim.end()
    with suppress(TransientError, PermanentError):  # the upload is complete; a claim that stays does no harm
        claim.release(storage)
    return replace(video, key=key)


def take_back(claim: Claim, message_id: str | None, database: Database, storage: Storage, *, unsure: bool) -> None:
    """Removes row and files of a failed upload. If it is `unsure` whether the video became pending, the row goes first:
    where the database is away this fails, and the files stay. Else the files go first, since on a full disk the tables
    need their space. What is left in either case is removed by the sweep."""
    if not unsure:
        _remove_own(claim, storage)
    with database.write() as session:
        upload_rows.withdraw(session, claim.video_id)
        if message_id:
            processed_messages.forget(session, message_id)
    if unsure:
        _remove_own(claim, storage)


def _remove_own(claim: Claim, storage: Storage) -> None:
    if claim.is_ours(storage):
        remove_upload(storage, claim.video_id)


def remove_upload(storage: Storage, video_id: int) -> None:
    """Removes the files of an unfinished upload; no artifacts, and no tombstones of a video that was deleted meanwhile.
    The claim goes last, so that an interrupted removal can be repeated."""
    folder = video_prefix(video_id)
    for part in ("source/", "captions/", "upload.json", "claim.json"):
        storage.delete_prefix(f"{folder}{part}")
    storage.clear_unfinished(utc_now() + _EVER, folder)


def _must_have(storage: Storage, key: str, size: int) -> None:
    stat = storage.stat(key)
    if stat is None or stat.bytes != size:
        raise TransientError(f"{key} has {stat.bytes if stat else 0:,} bytes in storage instead of {size:,}; try again")


def source_key(video_id: int, filename: str) -> str:
    """The key of a video's uploaded file."""
    return f"{video_prefix(video_id)}source/original{safe_ending(filename)}"


def record_of(
    video: Video, key: str, *, filename: str, content_type: str, size_bytes: int, created_at: datetime
) -> UploadRecord:
    """The upload record of a video, as its row describes it."""
    return UploadRecord(
        video_id=video.id,
        key=key,
        title=video.title,
        description=video.description,
        user_id=video.user_id,
        user_name=video.user_name,
        filename=filename,
        content_type=content_type,
        size_bytes=size_bytes,
        created_at=created_at,
    )


def safe_ending(filename: str) -> str:
    """The file's ending if it is safe in a storage key, else an empty string."""
    ending = Path(filename).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,5}", ending) else ""


@contextmanager
def _opened(path: Path) -> Iterator[Opened]:
    try:
        with opened(path) as file:
            yield file
    except NoFile as error:
        raise Refused(str(error)) from None


@contextmanager
def _given(source: Opened) -> Iterator[Opened]:
    yield source


def _read_captions(path: Path) -> tuple[str, bytes]:
    with _opened(path) as file:
        return captions_of(file)


def captions_of(file: Opened) -> tuple[str, bytes]:
    """Name and content of a caption file. Refused where it is larger than `MAX_CAPTION_BYTES`, of which no more is
    read."""
    try:
        data = file.file.read(MAX_CAPTION_BYTES + 1)
    except OSError as error:
        raise PermanentError(one_line(f"{file.name} cannot be read: {error.strerror or error}")) from None
    if len(data) > MAX_CAPTION_BYTES:
        raise Refused(f"{file.name}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
    return one_line(file.path.name, 255), data
