"""The storage protocol, its errors, and the choice of a backend by URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from video_assets.errors import Full as Full
from video_assets.errors import PermanentError, one_line
from video_assets.storage.multipart import Part, PartAddress, PartWriter


class NotFound(Exception):
    """No object has this key."""


class Conflict(Exception):
    """A conditional write lost: the object is no longer what the writer had read."""


class Damaged(PermanentError):
    """An object is not what was stored, as the backend itself can tell."""


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it."""

    key: str
    bytes: int


@dataclass(frozen=True)
class Stored:
    """What was read of a file, and lies in storage."""

    bytes: int
    sha256: str


class Storage(Protocol):
    """Objects by key. Keys are relative, `/`-separated, and never start with a slash.

    Every call raises `TransientError` where the backend cannot be reached, and its kind `Full` where it has no
    room, `PermanentError` where it refuses (no permission), `NotFound` where a named object is missing.
    """

    keeps_files: bool
    """Whether `put_file` may keep the very file it is given, so that whoever owns it must give a copy."""

    def put_file(
        self, key: str, path: Path, *, content_type: str = "application/octet-stream", sha256: str | None = None
    ) -> None:
        """Stores a local file; the object appears whole or not at all. The local file may be hard-linked,
        so the caller must not change it afterwards. `sha256` (hex) saves reckoning it, where it is known."""

    def put_open(self, key: str, file: BinaryIO, *, content_type: str = "application/octet-stream") -> Stored:
        """Stores all that an open file holds, whatever its name leads to by now. Returns only when it would
        survive a power cut and what lies there was found to be what was read."""

    def put_bytes(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Stores a small object whole."""

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        """Stores `data` only if the object's etag still is `etag` (None: only if there is no object);
        returns the new etag. One winner in every race; the others get `Conflict`."""

    def get_bytes(self, key: str) -> bytes:
        """The whole of a small object."""

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        """The whole of a small object, and the etag that belongs to just these bytes."""

    def fetch(self, key: str, folder: Path) -> Path:
        """A local path to read the object from: its own where the backend is a folder (never write to
        it), else a copy below `folder`, checked against what was stored. It has the key's last name."""

    def stat(self, key: str) -> Stat | None:
        """What is known of the object, None where there is none."""

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object whose key starts with `prefix`, in key order."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that stand right behind `prefix` (which ends in a slash) with more behind them, each once,
        in any order; without looking at every object."""

    def free_bytes(self) -> int | None:
        """How much room there is; None where nobody can tell (a bucket)."""

    def delete(self, key: str) -> None:
        """Removes the object; no error where there is none."""

    def delete_prefix(self, prefix: str) -> int:
        """Removes every object whose key starts with `prefix`; returns how many."""

    def url(self, key: str, *, seconds: int, download_as: str | None = None) -> str | None:
        """An address that anybody may read the object from for a while, also by ranges; None where the backend
        has no addresses of its own (a folder: the site serves it). Does not look whether the object is there."""

    def begin_multipart(self, key: str, *, content_type: str, part_bytes: int, hashed: bool = False) -> str:
        """Begins an object whose parts come one by one, in any order, from anybody, also after a restart of ours;
        returns the backend's id of this upload. Each part but the last has `part_bytes`. `hashed`: the SHA-256 of each
        part must be given with it and is checked as it arrives; S3 wants to know this from the beginning."""

    def part_url(
        self, key: str, upload_id: str, number: int, *, size: int, seconds: int, sha256: str | None = None
    ) -> PartAddress | None:
        """Where just this part may be sent for a while, with just this size (and SHA-256, hex); None where the backend
        has no addresses (a folder: the site takes it with `open_part`). PartRefused for a number or size that no part
        has. Does not look whether the upload is still there."""

    def open_part(
        self, key: str, upload_id: str, number: int, size: int, *, sha256: str | None = None
    ) -> AbstractContextManager[PartWriter]:
        """A writer for one part, where `part_url` is None. A part counts from `finish` on; nothing is kept of one that
        broke off. One that is sent again replaces the first, and until then the first one counts."""

    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """The parts that are there whole, by number. NotFound where no such upload of this key is going on."""

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Makes the object of these parts, which `check_parts` must find in order; the object appears whole, and then
        the upload is over. PartsDiffer where they are not, and nothing has changed. Parts that are not named are
        dropped."""

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Ends an upload and removes its parts; no error where there is none."""

    def clear_unfinished(self, before: datetime, prefix: str = "") -> int:
        """Removes what writers left half-done below the prefix, begun before this moment, and multipart uploads that
        were; returns how many."""

    def clear_abandoned(self) -> int:
        """Removes what is half-done where it is certain that its writer is dead; returns how many."""


def check_key(key: str) -> None:
    """Raises PermanentError where this is no key: it could lead elsewhere, or be another key's object too.
    Names that start with a dot are the backends' own."""
    if "\0" in key or any(part.startswith(".") or not part for part in key.split("/")):
        raise PermanentError(one_line(f"{key!r} is no storage key"))


def open_storage(
    url: str,
    make_client: Callable[[], Any] | None = None,
    *,
    encryption: Mapping[str, str] | None = None,
    make_signer: Callable[[], Any] | None = None,
) -> Storage:
    """The storage behind a URL: `file:///folder` or `s3://bucket/prefix`. `make_client`: makes the boto3 client
    of an S3 storage; without it, one as boto3 makes it from its own configuration and environment. `encryption`:
    what each write to it says of server-side encryption, in S3's own names."""
    scheme, separator, _ = url.partition("://")
    if separator and scheme == "file":
        from video_assets.storage.local import LocalStorage

        return LocalStorage.from_url(url)
    if separator and scheme == "s3":
        # Imported here: loading boto3 takes longer than many a command that needs none.
        from video_assets.storage.s3 import S3Storage
        from video_assets.storage.s3_client import S3Options
        from video_assets.storage.s3_client import make_client as plain

        client = (make_client or (lambda: plain(S3Options())))()
        signer = make_signer() if make_signer else None
        return S3Storage.from_url(url, client, encryption=encryption, signer=signer)
    what = f"{scheme}:// is not supported" if separator else "it is no URL"
    raise PermanentError(one_line(f"VIDEO_ASSETS_STORAGE_URL: {what}; give file:///folder or s3://bucket/prefix", 200))
