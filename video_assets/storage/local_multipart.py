"""Multipart uploads in a local folder: each part is written to its place in one file, which becomes the object.

An upload is the folder `.uploads/{id}`:

- `about.json`: its key, and how it was begun. Written last and removed first: without it there is no such upload.
- `data`: the bytes, a sparse file. A part lies at (number - 1) * part_bytes. Completing the upload renames the file.
- `{number}.json`: size and hash of a part that is in `data` whole, written after its bytes are on the disk.
- `{number}.begun`: who is writing this part into `data`. A second writer of the same part, or one of a part that is
  there already, writes a file of its own beside `data`, which is copied into place when it is whole.
- `lock`: held shared while bytes are written into `data`, and exclusively while the files above change. So a writer
  that lost its place, or whose upload has ended, finds out before it writes on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from video_assets.errors import TransientError
from video_assets.storage.base import NotFound
from video_assets.storage.files import begun_before, in_words, is_unchanged, sync
from video_assets.storage.multipart import Part, PartRefused, PartsDiffer, check_part, check_parts

FOLDER = ".uploads"
_CHUNK = 2**20
_TRIES = 20
_ID = re.compile(r"[0-9a-f]{32}")
_RECORD = re.compile(r"([1-9][0-9]{0,4})\.json")


@dataclass(frozen=True)
class _About:
    """How an upload was begun."""

    key: str
    part_bytes: int
    hashed: bool


class LocalUploads:
    """The multipart uploads of a storage folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER

    def begin(self, key: str, part_bytes: int, *, hashed: bool) -> str:
        """Begins an upload; returns its id."""
        check_part(1, part_bytes)
        upload_id = uuid4().hex
        folder = self.folder / upload_id
        with in_words(key):
            _make(folder)
            for name in ("data", "lock"):
                (folder / name).touch(exist_ok=False)
            about = {"key": key, "part_bytes": part_bytes, "hashed": hashed}
            _write(folder / "about.json", json.dumps(about).encode())
            for each in (self.folder, self.folder.parent):
                sync(each)
        return upload_id

    @contextmanager
    def open_part(
        self, key: str, upload_id: str, number: int, size: int, *, sha256: str | None = None
    ) -> Iterator[LocalPart]:
        """A writer for one part; what it has not finished at the end of the block is dropped."""
        folder = self._folder(key, upload_id)
        with in_words(key), _locked(folder, key) as about:
            check_part(number, size, about.part_bytes)
            if about.hashed != (sha256 is not None):
                raise PartRefused(f"part {number}: its SHA-256 {'is missing' if about.hashed else 'was not agreed on'}")
            part = LocalPart(folder, about, number, size, sha256)
        try:
            yield part
        finally:
            part.close()

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """The whole parts of an upload, by number."""
        folder = self._folder(key, upload_id)
        with in_words(key), _locked(folder, key):
            return _parts(folder)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], place: Callable[[Path], None]) -> None:
        """Checks the parts and gives their file to `place`, which moves it to where the object belongs."""
        folder = self._folder(key, upload_id)
        with in_words(key), _locked(folder, key) as about:
            ordered = check_parts(parts, there := _parts(folder))
            if short := [part.number for part in ordered[:-1] if part.bytes != about.part_bytes]:
                raise PartsDiffer([], short)  # there would be holes
            for part in there[len(ordered) :]:  # their bytes are about to be cut off
                (folder / f"{part.number}.json").unlink()
            os.truncate(folder / "data", sum(part.bytes for part in ordered))
            place(folder / "data")
            self._remove(folder)

    def abort(self, key: str, upload_id: str) -> None:
        """Removes an upload of this key, if there is one."""
        with suppress(NotFound), in_words(key):
            folder = self._folder(key, upload_id)
            with _locked(folder, key):
                self._remove(folder)

    def clear_begun(self, before: datetime, prefix: str) -> int:
        """Removes uploads below a prefix that were begun before a moment; returns how many."""
        removed = 0
        for folder in self._all():
            about = _about(folder)
            if about is not None and about.key.startswith(prefix) and begun_before(folder / "about.json", before):
                self.abort(about.key, folder.name)
                removed += 1
        return removed

    def clear_remains(self) -> int:
        """Removes what is left of uploads whose beginning or end was interrupted; returns of how many."""
        removed = 0
        for folder in self._all():
            if _about(folder) is None and is_unchanged(folder):
                self._remove(folder)
                removed += 1
        return removed

    def _all(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def _folder(self, key: str, upload_id: str) -> Path:
        if not _ID.fullmatch(upload_id):  # it comes from outside, and could lead elsewhere
            raise NotFound(key)
        return self.folder / upload_id

    def _remove(self, folder: Path) -> None:
        (folder / "about.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # other uploads are going on
            self.folder.rmdir()


class LocalPart:
    """The writer of one part. Made under the upload's exclusive lock."""

    def __init__(self, folder: Path, about: _About, number: int, size: int, sha256: str | None) -> None:
        self._folder, self._about, self._number, self._size, self._sha256 = folder, about, number, size, sha256
        self._digest, self._written, self._finished = hashlib.sha256(), 0, False
        self._token = uuid4().hex
        self._record, begun = folder / f"{number}.json", folder / f"{number}.begun"
        self._in_place = not self._record.exists() and not begun.exists()
        """Whether it writes into `data`; else it writes into a file of its own."""
        self._place = (number - 1) * about.part_bytes
        self._mark = begun if self._in_place else folder / f"{number}.{self._token}"
        """Removed when it is done: the file that says who writes in place, else the file of its own."""
        self._mark.write_text(self._token if self._in_place else "", encoding="ascii")
        self._file = os.open(folder / "data" if self._in_place else self._mark, os.O_RDWR)

    def write(self, data: bytes) -> None:
        if self._written + len(data) > self._size:
            raise PartRefused(
                f"part {self._number} has more than the {self._size:,} bytes that were said; send it again"
            )
        with in_words(self._about.key), _locked(self._folder, self._about.key, shared=True):
            self._must_go_on()
            _write_at(self._file, data, self._written + (self._place if self._in_place else 0))
        self._digest.update(data)
        self._written += len(data)

    def finish(self) -> Part:
        if self._written != self._size:
            raise PartRefused(
                f"part {self._number} broke off after {self._written:,} of {self._size:,} bytes; send it again"
            )
        part = Part(self._number, self._size, self._digest.hexdigest())
        if self._sha256 not in (None, part.etag):
            raise PartRefused(f"part {self._number} arrived altered: its SHA-256 is another; send it again")
        with in_words(self._about.key):
            # Not under the lock: the disk takes its time, and other parts go on meanwhile.
            intact = self._is_on_disk(self._file, part) if self._in_place else True
            with _locked(self._folder, self._about.key):
                self._must_go_on()
                if not self._in_place and _read(self._record) != part:  # else an answer was lost, and it comes again
                    intact = self._copied_into_place(part)
                if not intact:
                    raise TransientError(
                        "what the disk holds is not what was written to it; see its log, and try again"
                    )
                _write(self._record, json.dumps({"bytes": part.bytes, "sha256": part.etag}).encode())
                self._mark.unlink()
        self._finished = True
        return part

    def close(self) -> None:
        """Drops what was not finished."""
        os.close(self._file)
        if not self._finished:
            with suppress(OSError, NotFound, PartRefused), _locked(self._folder, self._about.key):
                self._must_go_on()
                self._mark.unlink()

    def _must_go_on(self) -> None:
        """Raises where another writer of this part was faster. The lock is held."""
        with suppress(FileNotFoundError):
            if not self._in_place or self._mark.read_text(encoding="ascii") == self._token:
                return
        raise PartRefused(f"part {self._number} was sent by another request meanwhile; ask which parts are there")

    def _copied_into_place(self, part: Part) -> bool:
        """Replaces the part in `data` by the one in our own file. The lock is held."""
        self._record.unlink(missing_ok=True)
        (self._folder / f"{self._number}.begun").unlink(missing_ok=True)  # a slower writer must write no further
        sync(self._folder)  # from here on the part is missing, whatever happens, until it is whole
        target = os.open(self._folder / "data", os.O_RDWR)
        try:
            for start in range(0, part.bytes, _CHUNK):
                _write_at(target, os.pread(self._file, _CHUNK, start), self._place + start)
            return self._is_on_disk(target, part)
        finally:
            os.close(target)

    def _is_on_disk(self, file: int, part: Part) -> bool:
        """Waits for the disk, reads the part there, and compares the hashes, as is done with every upload."""
        os.fsync(file)
        if hasattr(os, "posix_fadvise"):  # so that the disk is read and not memory
            os.posix_fadvise(file, self._place, part.bytes, os.POSIX_FADV_DONTNEED)
        digest = hashlib.sha256()
        for start in range(0, part.bytes, _CHUNK):
            digest.update(os.pread(file, min(_CHUNK, part.bytes - start), self._place + start))
        return digest.hexdigest() == part.etag


@contextmanager
def _locked(folder: Path, key: str, *, shared: bool = False) -> Iterator[_About]:
    """Holds an upload's lock; NotFound where this key has no such upload."""
    try:
        file = (folder / "lock").open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(key) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        about = _about(folder)
        if about is None or about.key != key:
            raise NotFound(key)
        yield about


def _make(folder: Path) -> None:
    """Makes the folder of an upload, although another upload's end may just be removing the one above."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return
    folder.mkdir(parents=True)


def _about(folder: Path) -> _About | None:
    """How the upload was begun; None where it has ended, or its beginning was interrupted."""
    try:
        return _About(**json.loads((folder / "about.json").read_bytes())) if (folder / "data").is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def _parts(folder: Path) -> list[Part]:
    paths = [path for path in folder.iterdir() if _RECORD.fullmatch(path.name)]
    return sorted((part for part in map(_read, paths) if part is not None), key=lambda part: part.number)


def _read(record: Path) -> Part | None:
    try:
        said = json.loads(record.read_bytes())
        return Part(int(record.stem), int(said["bytes"]), str(said["sha256"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write(path: Path, data: bytes) -> None:
    """Writes a small file, which appears whole and survives a power cut."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync(path.parent)


def _write_at(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, offset)
        view, offset = view[done:], offset + done
