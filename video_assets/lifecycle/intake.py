"""Intake: a local file becomes an uploaded video. The command and the inbox come through here."""

from __future__ import annotations

import mimetypes
import re
import shutil
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from video_assets.artifacts.captions import put_captions
from video_assets.artifacts.upload import UploadRecord, put_upload_record
from video_assets.database import intake, launching
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import Video, utc_now, video_prefix

CAPTION_ENDINGS = (".vtt", ".srt")
MAX_CAPTION_BYTES = 5 * 2**20
_TITLE_LIMIT = 200


def sidecar_of(path: Path) -> Path | None:
    """The caption file beside a video: `talk.vtt` or `talk.srt` for `talk.mp4`."""
    for ending in CAPTION_ENDINGS:
        candidate = path.with_suffix(ending)
        if candidate != path and candidate.is_file():
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


def refusal(path: Path, settings: Settings) -> str | None:
    """Why this file cannot be taken in, in one line; None where it can."""
    name = one_line(path.name, 80)
    if not path.is_file():
        return f"{name}: there is no such file" if not path.exists() else f"{name} is no ordinary file"
    size = path.stat().st_size
    if size == 0:
        return f"{name} is empty; copy it again"
    if size > settings.max_upload_bytes:
        return f"{name} has {size:,} bytes; at most {settings.max_upload_bytes:,} are taken"
    free = shutil.disk_usage(settings.home).free
    if free - size < settings.min_free_bytes:
        return f"{name}: the disk has {free:,} bytes free, too few to take it; free some and try again"
    return None


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
    clock: Callable[[], datetime] = utc_now,
) -> Video:
    """Stores the file (and its captions) and makes it a pending video. The row is there first, as
    `uploading`, and turns `pending` only when every byte is in storage; `claimed_by` keeps the uploads
    sensor from launching it. Raises PermanentError where the file cannot be taken, leaving nothing."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if words := refusal(path, settings):
        raise PermanentError(words)
    beside = captions or sidecar_of(path)
    caption_bytes = _read_captions(beside) if beside else None
    title, now = clean_title(title) if title else title_of(path.name), clock()
    with database.write() as session:
        video = intake.add_video(
            session, title=title, description=description, user_id=user_id, user_name=user_name, now=now
        )
    try:
        key = f"{video_prefix(video.id)}source/original{safe_ending(path.name)}"
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        _copy_in(storage, key, path, settings, content_type)
        if beside and caption_bytes is not None:
            put_captions(storage, video.id, caption_bytes, beside.name)
        put_upload_record(
            storage,
            UploadRecord(
                video_id=video.id,
                key=key,
                title=title,
                description=description,
                user_id=user_id,
                user_name=user_name,
                filename=one_line(path.name, 255),
                content_type=content_type,
                size_bytes=path.stat().st_size,
                created_at=now,
            ),
        )
        with database.write() as session:
            intake.set_source(session, video.id, key)
            if claimed_by:
                launching.claim(session, video.id, claimed_by=claimed_by, reason="process", now=clock())
            intake.mark_pending(
                session, video.id, now=clock(), service=settings.outbox_service,
                filename=one_line(path.name, 255), content_type=content_type, size_bytes=path.stat().st_size,
            )  # fmt: skip
    except BaseException:
        storage.delete_prefix(video_prefix(video.id))
        with database.write() as session:
            intake.withdraw(session, video.id)
        raise
    return Video(
        id=video.id, key=key, title=title, description=description, user_id=user_id, user_name=user_name, created_at=now
    )


def safe_ending(filename: str) -> str:
    """The file's ending if it is an ordinary one, else nothing: names are data, keys are ours."""
    ending = Path(filename).suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,5}", ending) else ""


def _copy_in(storage: Storage, key: str, path: Path, settings: Settings, content_type: str) -> None:
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
            raise PermanentError(f"{one_line(path.name, 80)}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
        return path.read_bytes()
    except OSError as error:
        raise PermanentError(one_line(f"{path.name} cannot be read: {error.strerror or error}")) from None
