"""Intake: a file becomes an uploaded video. The command and the inbox come through here."""

from __future__ import annotations

import mimetypes
import re
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from video_assets.artifacts.captions import put_captions
from video_assets.artifacts.upload import UploadRecord, put_upload_record
from video_assets.database import inbound, intake, launching
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import Video, utc_now, video_prefix

CAPTION_ENDINGS = (".vtt", ".srt")
MAX_CAPTION_BYTES = 5 * 2**20
_TITLE_LIMIT = 200


def sidecar_of(path: Path) -> Path | None:
    """The caption file beside a video: `talk.vtt` or `talk.srt` for `talk.mp4`.

    Where links lead the two must still lie in one folder: who may drop a link into the inbox shall not read with our
    eyes what is elsewhere.
    """
    for ending in CAPTION_ENDINGS:
        candidate = path.with_suffix(ending)
        if candidate != path and candidate.is_file() and candidate.resolve().parent == path.resolve().parent:
            return candidate
    return None


def title_of(filename: str) -> str:
    """A readable title out of a file's name: no ending, no control characters, never empty."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", filename)
    return clean_title(stem.replace("_", " "))


def clean_title(title: str) -> str:
    """A title as one line of printable text, never empty: it may hold escape sequences meant for a terminal."""
    words = "".join(" " if unicodedata.category(c).startswith("C") else c for c in title)
    return " ".join(words.split())[:_TITLE_LIMIT] or "untitled"


class Refused(PermanentError):
    """This file is not taken, whoever brings it again."""


def check(path: Path, settings: Settings) -> None:
    """Raises Refused where this file cannot be taken in, PermanentError where nothing can be just now."""
    name = one_line(path.name, 80)
    if not path.is_file():
        raise Refused(f"{name}: there is no such file" if not path.exists() else f"{name} is no ordinary file")
    check_size(name, path.stat().st_size, settings)


def check_size(name: str, size: int, settings: Settings) -> None:
    """The same for a file of this many bytes, wherever it lies."""
    if size == 0:
        raise Refused(f"{name} is empty; copy it again")
    if size > settings.max_upload_bytes:
        raise Refused(f"{name} has {size:,} bytes; at most {settings.max_upload_bytes:,} are taken")
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    if free - size < settings.min_free_bytes:
        raise PermanentError(f"{name}: the disk has {free:,} bytes free, too few to take it; free some and try again")


class AlreadyTaken(Exception):
    """Another process took this very drop in meanwhile."""


@dataclass(frozen=True)
class Arrival:
    """A file to take in, wherever it lies."""

    name: str
    size_bytes: int
    store: Callable[[Storage, str, str], None]
    """Puts its bytes into the storage, under a key and with a content type."""
    captions: tuple[str, bytes] | None = None
    """Name and content of the caption file that came with it."""
    message_id: str | None = None
    """It is taken in once only: see database/inbound.py."""


def take_in(
    path: Path,
    *,
    database: Database,
    storage: Storage,
    settings: Settings,
    title: str | None = None,
    description: str | None = None,
    user_id: int | None = None,
    user_name: str | None = None,
    captions: Path | None = None,
    claimed_by: str | None = None,
    message_id: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Video:
    """Stores a local file, and captions given or beside it, and makes it a pending video: see `take_arrival`."""
    check(path, settings)
    beside = captions or sidecar_of(path)
    arrival = Arrival(
        name=path.name,
        size_bytes=path.stat().st_size,
        store=lambda storage, key, content_type: _copy_in(storage, key, path, settings, content_type),
        captions=(beside.name, _read_captions(beside)) if beside else None,
        message_id=message_id,
    )
    return take_arrival(
        arrival, database=database, storage=storage, settings=settings, title=title, description=description,
        user_id=user_id, user_name=user_name, claimed_by=claimed_by, clock=clock,
    )  # fmt: skip


def take_arrival(
    arrival: Arrival,
    *,
    database: Database,
    storage: Storage,
    settings: Settings,
    title: str | None = None,
    description: str | None = None,
    user_id: int | None = None,
    user_name: str | None = None,
    claimed_by: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Video:
    """Stores the file (and its captions) and makes it a pending video. The row is there first, as
    `uploading`, and turns `pending` only when every byte is in storage; `claimed_by` keeps the uploads
    sensor from launching it. Raises Refused or PermanentError where the file cannot be taken, AlreadyTaken where
    somebody else was faster, leaving nothing."""
    title, now = clean_title(title) if title else title_of(arrival.name), clock()
    with database.write() as session:
        video = intake.add_video(
            session, title=title, description=description, user_id=user_id, user_name=user_name, now=now
        )
    filename = one_line(arrival.name, 255)
    try:
        key = f"{video_prefix(video.id)}source/original{safe_ending(arrival.name)}"
        content_type = mimetypes.guess_type(arrival.name)[0] or "application/octet-stream"
        arrival.store(storage, key, content_type)
        if arrival.captions:
            put_captions(storage, video.id, arrival.captions[1], arrival.captions[0])
        put_upload_record(
            storage,
            UploadRecord(
                video_id=video.id,
                key=key,
                title=title,
                description=description,
                user_id=user_id,
                user_name=user_name,
                filename=filename,
                content_type=content_type,
                size_bytes=arrival.size_bytes,
                created_at=now,
            ),
        )
        with database.write() as session:
            if arrival.message_id and not inbound.take(session, arrival.message_id, clock()):
                raise AlreadyTaken(arrival.name)
            intake.set_source(session, video.id, key)
            if claimed_by:
                launching.claim(session, video.id, claimed_by=claimed_by, reason="process", now=clock())
            intake.mark_pending(
                session, video.id, now=clock(), service=settings.outbox_service,
                filename=filename, content_type=content_type, size_bytes=arrival.size_bytes,
            )  # fmt: skip
    except BaseException as error:
        _take_back(video.id, None if isinstance(error, AlreadyTaken) else arrival.message_id, database, storage)
        raise
    return Video(
        id=video.id, key=key, title=title, description=description, user_id=user_id, user_name=user_name, created_at=now
    )


def _take_back(video_id: int, message_id: str | None, database: Database, storage: Storage) -> None:
    """The row first: where the database is away, nobody knows whether the video is pending after all, and then
    its files must stay. What is left then is swept later."""
    with database.write() as session:
        intake.withdraw(session, video_id)
        if message_id:
            inbound.forget(session, message_id)
    storage.delete_prefix(video_prefix(video_id))


def safe_ending(filename: str) -> str:
    """The file's ending if it is an ordinary one, else nothing: names are data, keys are ours."""
    ending = Path(filename).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,5}", ending) else ""


def _copy_in(storage: Storage, key: str, path: Path, settings: Settings, content_type: str) -> None:
    if not storage.keeps_files:
        storage.put_file(key, path, content_type=content_type)
        return
    # A copy of our own: the storage may hard-link what it is given, and the user's file is not ours to freeze.
    settings.work_folder.mkdir(parents=True, exist_ok=True)
    copy = settings.work_folder / f"intake-{key.replace('/', '-')}"
    try:
        shutil.copyfile(path, copy)
        storage.put_file(key, copy, content_type=content_type)
    except OSError as error:
        raise PermanentError(one_line(f"{path.name} cannot be read: {error.strerror or error}")) from None
    finally:
        copy.unlink(missing_ok=True)


def _read_captions(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_CAPTION_BYTES:
            raise Refused(f"{one_line(path.name, 80)}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
        return path.read_bytes()
    except OSError as error:
        raise PermanentError(one_line(f"{path.name} cannot be read: {error.strerror or error}")) from None
