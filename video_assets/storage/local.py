"""Storage in a local folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlparse
from uuid import uuid4

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.storage.base import Conflict, NotFound, Stat, Stored, check_key
from video_assets.storage.files import begun_before, in_words, is_unchanged, sync
from video_assets.storage.local_multipart import LocalUploads
from video_assets.storage.multipart import Part, PartAddress, PartWriter, check_part

_TEMPORARY = ".tmp-"
_ATTEMPTS = 20
_CHUNK = 2**20


class LocalStorage:
    """Objects as files below `root`. Many processes of one machine may use it at the same time."""

    keeps_files = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._uploads = LocalUploads(self.root)

    @classmethod
    def from_url(cls, url: str) -> LocalStorage:
        """Storage for a `file:///folder` URL."""
        parts = urlparse(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise PermanentError(one_line(f"VIDEO_ASSETS_STORAGE_URL: {url} names no folder; give file:///folder"))
        return cls(Path(unquote(parts.path)))

    def put_file(
        self, key: str, path: Path, *, content_type: str = "application/octet-stream", sha256: str | None = None
    ) -> None:
        source = path.resolve(strict=True)  # a hard link to a symbolic link would be a symbolic link

        def link_or_copy(temporary: Path) -> None:
            try:
                os.link(source, temporary)  # takes no room; some file systems cannot
            except OSError:
                with source.open("rb") as file, _locked_file(temporary) as copy:
                    shutil.copyfileobj(file, copy, _CHUNK)

        self._write(key, link_or_copy)

    def put_open(self, key: str, file: BinaryIO, *, content_type: str = "application/octet-stream") -> Stored:
        stored: list[Stored] = []

        def copy_and_verify(temporary: Path) -> None:
            stored[:] = [_copy_verified(file, temporary)]

        # Durable although it is large: there may be no other copy of an upload.
        self._write(key, copy_and_verify, durable=True)
        return stored[0]

    def put_bytes(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        def write(temporary: Path) -> None:
            with _locked_file(temporary) as file:
                file.write(data)

        # Durable: small objects say what is current, and must be the old or the new one after a power cut, never empty.
        # Large files (`put_file`) are not waited for, which would cost every run: one that lost its end is found by its
        # size, and made again.
        self._write(key, write, durable=True)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        with self._locked(key):
            try:
                found = self.get_with_etag(key)[1]
            except NotFound:
                found = None
            if found != etag:
                raise Conflict(key)
            self.put_bytes(key, data)
        return _etag(data)

    def get_bytes(self, key: str) -> bytes:
        return self.get_with_etag(key)[0]

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        try:
            data = self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(key) from None
        except OSError as error:
            raise PermanentError(one_line(f"storage cannot read {key}: {error.strerror or error}")) from error
        return data, _etag(data)

    def fetch(self, key: str, folder: Path) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise NotFound(key)
        return path

    def stat(self, key: str) -> Stat | None:
        path = self._path(key)
        return self._stat(path) if path.is_file() else None

    def list(self, prefix: str) -> Iterator[Stat]:
        # The prefix may end within a name, so the walk starts at the folder above.
        folder = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self.root
        for key in sorted(key for key in self._walk(folder) if key.startswith(prefix)):
            try:
                yield self._stat(self.root / key)
            except FileNotFoundError:  # removed since the listing
                continue

    def folders(self, prefix: str) -> Iterator[str]:
        folder = self._path(prefix.rstrip("/"))
        try:
            with os.scandir(folder) as entries:
                found = [each.name for each in entries if each.is_dir() and not each.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return
        yield from found

    def free_bytes(self) -> int | None:
        place = next(each for each in (self.root, *self.root.parents) if each.exists())
        return shutil.disk_usage(place).free

    def delete(self, key: str) -> None:
        path = self._path(key)
        if not path.is_file():
            return
        path.unlink(missing_ok=True)
        self._remove_empty_folders(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        found = [stat.key for stat in self.list(prefix)]
        for key in found:
            self.delete(key)
        return len(found)

    def url(self, key: str, *, seconds: int, download_as: str | None = None) -> str | None:
        return None

    def begin_multipart(self, key: str, *, content_type: str, part_bytes: int, hashed: bool = False) -> str:
        check_key(key)
        return self._uploads.begin(key, part_bytes, hashed=hashed)

    def part_url(
        self, key: str, upload_id: str, number: int, *, size: int, seconds: int, sha256: str | None = None
    ) -> PartAddress | None:
        check_key(key)
        check_part(number, size)
        return None

    def open_part(
        self, key: str, upload_id: str, number: int, size: int, *, sha256: str | None = None
    ) -> AbstractContextManager[PartWriter]:
        check_key(key)
        return self._uploads.open_part(key, upload_id, number, size, sha256=sha256)

    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        check_key(key)
        return self._uploads.parts(key, upload_id)

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        check_key(key)
        self._uploads.complete(
            key, upload_id, parts, lambda data: self._write(key, lambda _: None, durable=True, ready=data)
        )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        check_key(key)
        self._uploads.abort(key, upload_id)

    def clear_unfinished(self, before: datetime, prefix: str = "") -> int:
        folder = self._path(prefix.rstrip("/")) if prefix else self.root
        removed = self._clear(folder, lambda path: begun_before(path, before) and _is_locked(path) is not True)
        return removed + self._uploads.clear_begun(before, prefix)

    def clear_abandoned(self) -> int:
        removed = self._clear(self.root, lambda path: is_unchanged(path) and _is_locked(path) is False)
        return removed + self._uploads.clear_remains()

    def _clear(self, folder: Path, is_dead: Callable[[Path], bool]) -> int:
        removed = 0
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if name.startswith(_TEMPORARY) and is_dead(Path(parent) / name):
                    with suppress(FileNotFoundError):
                        (Path(parent) / name).unlink()
                        removed += 1
                        self._remove_empty_folders(Path(parent))
        return removed

    def _walk(self, folder: Path) -> Iterator[str]:
        """Keys of all objects below a folder. Names that start with a dot (locks and temporary files) are skipped, and
        so are folders that are removed meanwhile."""
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    yield (Path(parent) / name).relative_to(self.root).as_posix()

    def _write(
        self, key: str, fill: Callable[[Path], object], *, durable: bool = False, ready: Path | None = None
    ) -> None:
        """Has `fill` write a temporary file beside the object's path, then moves it there. `durable`: returns only when
        the object would survive a power cut. `ready`: a file that is moved instead, and stays where it is if that
        fails."""
        target = self._path(key)
        with in_words(key):
            for attempt in range(_ATTEMPTS):
                temporary = ready or target.with_name(f"{_TEMPORARY}{uuid4().hex}")
                try:
                    new_folders = [each for each in target.parents if durable and not each.exists()]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    fill(temporary)
                    if durable:  # the bytes before the name: else a power cut could leave the name of an empty file
                        sync(temporary)
                    if target.is_dir():  # folders are no objects, so empty ones are removed
                        for each, _, _ in os.walk(target, topdown=False):
                            with suppress(OSError):
                                os.rmdir(each)
                    os.replace(temporary, target)
                    for folder in (target.parent, *(each.parent for each in new_folders)) if durable else ():
                        with suppress(FileNotFoundError):  # the object was deleted meanwhile, and its folder removed
                            sync(folder)
                    return
                except (FileNotFoundError, FileExistsError):
                    # Another process deleted an object of this folder, found it empty and removed it: try again.
                    if attempt == _ATTEMPTS - 1:
                        raise
                finally:
                    # Left over if writing failed, or if both names are hard links to one file: then the move does
                    # nothing.
                    with suppress(OSError):
                        if ready is None:
                            temporary.unlink(missing_ok=True)

    def _remove_empty_folders(self, folder: Path) -> None:
        """Removes this folder and those above it, up to the root, as long as they are empty: a bucket has no empty
        folders either."""
        while folder != self.root and self.root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Keeps other conditional writers of this object waiting. Objects share 256 lock files, which are never
        removed: if one were removed while it is held, a third writer could lock a new file of the same name."""
        locks = self.root / ".locks"
        with in_words(key):
            locks.mkdir(parents=True, exist_ok=True)
            file = open(locks / hashlib.sha256(key.encode()).hexdigest()[:2], "a")  # noqa: SIM115 - closed below
        with file as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stat(self, path: Path) -> Stat:
        return Stat(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.root / key


@contextmanager
def _locked_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write, locked meanwhile. The lock ends with the process, so an unlocked temporary file was left by
    a dead one. This also holds for machines that share the folder."""
    with path.open("xb") as file:
        with suppress(OSError):  # a file system without locks: then only its age tells
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def _is_locked(path: Path) -> bool | None:
    """Whether a living process is writing the file; None if that is unknown."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _copy_verified(file: BinaryIO, target: Path) -> Stored:
    """Copies an open file from its beginning, waits for the disk, reads the copy and compares the two hashes. Raises
    TransientError if they differ."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    with _locked_file(target) as copy:
        while chunk := _read(file):
            copy.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
        if hasattr(os, "posix_fadvise"):  # drops the copy from the page cache, so that the disk is read and not memory
            os.posix_fadvise(copy.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    stored = Stored(size, digest.hexdigest())
    if _read_back(target) != stored:
        raise TransientError("what the disk holds is not what was written to it; see its log, and try again")
    return stored


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as error:  # the source cannot be read; the storage is not at fault
        raise PermanentError(f"it cannot be read: {error.strerror or error}") from None


def _read_back(path: Path) -> Stored:
    """Size and hash of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Stored(size, digest.hexdigest())


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
