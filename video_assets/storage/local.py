"""Storage in a local folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import uuid4

from video_assets.errors import PermanentError, one_line
from video_assets.storage.base import Conflict, NotFound, Stat

_TEMPORARY = ".tmp-"


class LocalStorage:
    """Objects as files below `root`. Safe for many processes on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @classmethod
    def from_url(cls, url: str) -> LocalStorage:
        """Storage for a `file:///folder` URL."""
        return cls(Path(unquote(urlparse(url).path)))

    def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> None:
        target = self._prepare(key)
        with _in_words(key):
            temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}")
            try:
                os.link(path, temporary)  # the same bytes once on disk, where the file system allows
            except OSError:
                shutil.copyfile(path, temporary)
            os.replace(temporary, target)

    def put_bytes(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        target = self._prepare(key)
        with _in_words(key):
            _replace(target, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        target = self._prepare(key)
        with _in_words(key), self._locked(key):
            found = target.read_bytes() if target.exists() else None
            if (None if found is None else _etag(found)) != etag:
                raise Conflict(key)
            _replace(target, data)
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
        keys = (p for p in folder.rglob("*") if not p.name.startswith(".") and p.is_file())
        for path in sorted(keys):
            if path.relative_to(self.root).as_posix().startswith(prefix):
                try:
                    yield self._stat(path)
                except FileNotFoundError:  # removed since the walk
                    continue

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)
        self._tidy(self._path(key).parent)

    def delete_prefix(self, prefix: str) -> int:
        found = [stat.key for stat in self.list(prefix)]
        for key in found:
            self.delete(key)
        return len(found)

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
        locks.mkdir(exist_ok=True)
        with open(locks / hashlib.sha256(key.encode()).hexdigest()[:2], "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stat(self, path: Path) -> Stat:
        return Stat(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def _path(self, key: str) -> Path:
        if key.startswith("/") or any(part in ("..", ".") for part in key.split("/")) or "\0" in key:
            raise PermanentError(one_line(f"{key!r} is no storage key"))
        return self.root / key

    def _prepare(self, key: str) -> Path:
        path = self._path(key)
        with _in_words(key):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _in_words(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermanentError(one_line(f"storage cannot keep {key}: {error.strerror or error}")) from error
