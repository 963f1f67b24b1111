"""The storage protocol, its errors, and the choice of a backend by URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from video_assets.errors import PermanentError


class NotFound(Exception):
    """No object has this key."""


class Conflict(Exception):
    """A conditional write lost: the object is no longer what the writer had read."""


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it."""

    key: str
    bytes: int


class Storage(Protocol):
    """Objects by key. Keys are relative, `/`-separated, and never start with a slash.

    Every call raises `TransientError` where the backend cannot be reached, `PermanentError` where it
    refuses (no space, no permission), `NotFound` where a named object is missing.
    """

    def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> None:
        """Stores a local file; the object appears whole or not at all. The local file may be hard-linked,
        so the caller must not change it afterwards."""

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
        it), else a copy in `folder`."""

    def stat(self, key: str) -> Stat | None:
        """What is known of the object, None where there is none."""

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object whose key starts with `prefix`, in key order."""

    def delete(self, key: str) -> None:
        """Removes the object; no error where there is none."""

    def delete_prefix(self, prefix: str) -> int:
        """Removes every object whose key starts with `prefix`; returns how many."""


def open_storage(url: str) -> Storage:
    """The storage behind a URL: `file:///folder`."""
    from video_assets.storage.local import LocalStorage

    if url.startswith("file://"):
        return LocalStorage.from_url(url)
    raise PermanentError(f"VIDEO_ASSETS_STORAGE_URL: {url.split(':')[0]}:// is not supported; give file:///folder")
