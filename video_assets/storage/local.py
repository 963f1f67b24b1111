"""Storage in a local folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import uuid4

from video_assets.errors import PermanentError, one_line
from video_assets.storage.base import Conflict, NotFound, Stat, check_key

_TEMPORARY = ".tmp-"
_ATTEMPTS = 20


class LocalStorage:
    """Objects as files below `root`. Safe for many processes on one machine."""

    keeps_files = True

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

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
        source = path.resolve(strict=True)  # a hard link to a symbolic link would be one itself

        def link_or_copy(temporary: Path) -> None:
            try:
                os.link(source, temporary)  # the same bytes once on disk, where the file system allows
            except OSError:
                shutil.copyfile(source, temporary)

        self._write(key, link_or_copy)

    def put_bytes(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        # Small objects say what is current: after a power cut they are the old or the new, never empty. A large
        # file that lost its end is noticed by its size, and made again; waiting for each would cost every run.
        self._write(key, lambda temporary: temporary.write_bytes(data), durable=True)

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
            except FileNotFoundError:  # removed since the walk
                continue

    def delete(self, key: str) -> None:
        path = self._path(key)
        if not path.is_file():
            return
        path.unlink(missing_ok=True)
        self._tidy(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        found = [stat.key for stat in self.list(prefix)]
        for key in found:
            self.delete(key)
        return len(found)

    def url(self, key: str, *, seconds: int) -> str | None:
        return None

    def clear_unfinished(self, before: datetime) -> int:
        removed = 0
        for parent, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if name.startswith(_TEMPORARY) and _begun_before(Path(parent) / name, before):
                    with suppress(FileNotFoundError):
                        (Path(parent) / name).unlink()
                        removed += 1
        return removed

    def _walk(self, folder: Path) -> Iterator[str]:
        """Keys of all objects below a folder. Folders that vanish meanwhile are passed over, and so is what
        starts with a dot: locks, and what is still being written."""
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith("."):
                    yield (Path(parent) / name).relative_to(self.root).as_posix()

    def _write(self, key: str, fill: Callable[[Path], object], *, durable: bool = False) -> None:
        """Lets `fill` write a temporary file beside the object's place, and moves it there when it is whole."""
        target = self._path(key)
        with _in_words(key):
            for attempt in range(_ATTEMPTS):
                temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}")
                try:
                    new_folders = [each for each in target.parents if durable and not each.exists()]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    fill(temporary)
                    if durable:  # first its bytes, then its name, or there might be the name of an empty file
                        _onto_disk(temporary)
                    os.replace(temporary, target)
                    for folder in (target.parent, *(each.parent for each in new_folders)) if durable else ():
                        with suppress(FileNotFoundError):  # deleted again meanwhile, and tidied away
                            _onto_disk(folder)
                    return
                except (FileNotFoundError, FileExistsError):
                    # A delete next door found the folder empty and tidied it away, before or while it was looked at.
                    if attempt == _ATTEMPTS - 1:
                        raise
                finally:
                    # Writing failed, or both names were the same file already: then the move moves nothing.
                    with suppress(OSError):
                        temporary.unlink(missing_ok=True)

    def _tidy(self, folder: Path) -> None:
        """Removes folders left empty, up to the root, as a bucket has none either."""
        while folder != self.root and self.root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Holds other conditional writers of this object off. The locks are few and never removed: whoever
        unlinks a lock that another holds lets a third one in."""
        locks = self.root / ".locks"
        with _in_words(key):
            locks.mkdir(parents=True, exist_ok=True)
        with open(locks / hashlib.sha256(key.encode()).hexdigest()[:2], "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stat(self, path: Path) -> Stat:
        return Stat(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.root / key


def _onto_disk(path: Path) -> None:
    """Returns when a file's bytes, or a folder's names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begun_before(path: Path, moment: datetime) -> bool:
    try:
        # Not the time of its content, which may be that of a file it is linked to.
        return path.lstat().st_ctime < moment.timestamp()
    except FileNotFoundError:
        return False


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _in_words(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermanentError(one_line(f"storage cannot keep {key}: {error.strerror or error}")) from error
