"""What an upload over HTTP is, into which parts its file is cut, and what is believed of what a client says (pure)."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass, field
from datetime import datetime

from video_assets.errors import PermanentError, one_line
from video_assets.intake.uploads import CAPTION_ENDINGS, MAX_CAPTION_BYTES, Refused, safe_ending
from video_assets.storage import PartRefused
from video_assets.storage.multipart import MAX_PARTS, check_part

PART_BYTES = 16 * 2**20
"""The size of a part, unless the file would have too many of them."""
_NAME_LIMIT = 255
_MEDIA_TYPE = re.compile(r"(audio|video)/[a-z0-9][a-z0-9.+-]{0,99}")
_UNKNOWN = "application/octet-stream"


class NoSuchUpload(PermanentError):
    """Nobody has begun an upload of this id, or it was aborted."""


class UploadExpired(PermanentError):
    """The upload was not completed in time."""


class UploadCompleted(PermanentError):
    """The upload is complete already, so that this cannot be done any more."""


class OverQuota(Refused):
    """The user's videos would take more than they may together."""


@dataclass(frozen=True)
class MultipartUpload:
    """An upload over HTTP."""

    upload_id: str
    """Ours; the only one that clients are told."""
    video_id: int
    key: str
    """Storage key of the object to be."""
    filename: str
    content_type: str
    size_bytes: int
    part_bytes: int
    """Of each part but the last."""
    user_id: int | None
    created_at: datetime
    expires_at: datetime
    """No part is taken from then on. For an aborted upload it is when it was begun."""
    completed_at: datetime | None = None
    storage_upload_id: str = field(default="", repr=False)
    """Empty until storage has begun it."""

    @property
    def part_count(self) -> int:
        """How many parts the file has."""
        return -(-self.size_bytes // self.part_bytes)

    @property
    def is_aborted(self) -> bool:
        """Whether it was aborted; what is left of it is being removed."""
        return self.expires_at <= self.created_at

    def size_of(self, number: int) -> int:
        """The size of a part. PartRefused where the file has no such part."""
        check_part(number, self.part_bytes)
        if number > self.part_count:
            raise PartRefused(f"there is no part {number}; the file has {self.part_count:,}")
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)

    def must_be_open(self, now: datetime) -> None:
        """Raises where no part is taken any more: NoSuchUpload, UploadCompleted or UploadExpired."""
        if self.completed_at is not None:
            raise UploadCompleted(f"the upload is complete: it is video {self.video_id}")
        if self.is_aborted or not self.storage_upload_id:
            raise no_such_upload()
        if now >= self.expires_at:
            raise UploadExpired("the upload was not completed in time; begin it again")


def no_such_upload() -> NoSuchUpload:
    """The error for an id of which nothing is known; it does not repeat the id."""
    return NoSuchUpload("there is no such upload; begin one")


def part_bytes_for(size_bytes: int) -> int:
    """The size of the parts of a file: whole MiB, and no more than 10,000 parts."""
    return max(PART_BYTES, -(-size_bytes // (MAX_PARTS * 2**20)) * 2**20)


def clean_filename(said: str) -> str:
    """A file's name in one printable line of at most 255 characters, without folders, its ending kept. Refused where
    nothing is left."""
    name = one_line(re.split(r"[/\\]", said)[-1], max(len(said), 1))
    if len(name) > _NAME_LIMIT:
        ending = safe_ending(name)
        name = one_line(name, _NAME_LIMIT - len(ending)) + ending
    if not name.strip("."):
        raise Refused("the file has no name; give one")
    return name


def media_type(filename: str, said: str | None) -> str:
    """The content type under which a file is stored. Only of audio or video: a page or a script must never be served
    from the bucket as what it is."""
    for candidate in (said, mimetypes.guess_type(filename)[0]):
        if candidate and _MEDIA_TYPE.fullmatch(candidate.strip().lower()):
            return candidate.strip().lower()
    return _UNKNOWN


def clean_captions(captions: tuple[str, bytes]) -> tuple[str, bytes]:
    """Name and content of a caption file. Refused where it is none or too large."""
    name, data = clean_filename(captions[0]), captions[1]
    if not name.lower().endswith(CAPTION_ENDINGS):
        raise Refused(f"{name}: captions are .vtt or .srt files")
    if len(data) > MAX_CAPTION_BYTES:
        raise Refused(f"{name}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
    return name, data
