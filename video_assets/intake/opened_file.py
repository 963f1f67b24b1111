"""A file opened once and read from then on: what its name leads to later does not matter."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat as kinds
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from video_assets.errors import PermanentError, one_line

_WRITING = os.O_WRONLY | os.O_RDWR


class NoFile(PermanentError):
    """There is no such file, or it is no ordinary one."""


class Changed(PermanentError):
    """Somebody is writing the file, or has since it was opened: it may be whole later."""


@dataclass(frozen=True)
class Opened:
    """A file open for reading, as it was when it was opened."""

    file: BinaryIO
    path: Path
    stat: os.stat_result

    @property
    def name(self) -> str:
        """For people."""
        return one_line(self.path.name, 80)

    @property
    def size(self) -> int:
        """Its bytes when it was opened."""
        return self.stat.st_size

    def must_be_whole(self) -> None:
        """Changed where somebody has it open for writing, or has written to it since it was opened."""
        now = os.fstat(self.file.fileno())
        if not self._is(now):
            raise Changed(f"{self.name} was written to meanwhile; it is taken once it is whole")
        if is_written(self.file.fileno()):
            raise Changed(f"{self.name} is still open for writing; it is taken once it is whole")

    def is_still_there(self) -> bool:
        """Whether its name still leads to it, unchanged."""
        try:
            now = os.lstat(self.path)
        except OSError:
            return False
        return self._is(now)

    def _is(self, now: os.stat_result) -> bool:
        unchanged = (now.st_size, now.st_mtime_ns) == (self.size, self.stat.st_mtime_ns)
        return unchanged and version_of(now) == version_of(self.stat)


def version_of(stat: os.stat_result) -> str:
    """Of a file: no two have the same, as nobody can set when an inode was changed."""
    return f"{stat.st_dev}-{stat.st_ino}-{stat.st_ctime_ns}"


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[Opened]:
    """Opens an ordinary file to read. `follow`: also through a link; else the name must be the file's own. NoFile
    where there is none of the kind, PermanentError where it cannot be read; a pipe is not waited for."""
    name = one_line(path.name, 80)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except FileNotFoundError:
        raise NoFile(f"{name}: there is no such file") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.ENOTDIR):
            raise NoFile(f"{name} is no ordinary file") from None
        raise PermanentError(one_line(f"{name} cannot be read: {error.strerror or error}")) from None
    with _file(descriptor, name) as file:
        found = os.fstat(descriptor)
        if not kinds.S_ISREG(found.st_mode):
            raise NoFile(f"{name} is no ordinary file")
        yield Opened(file, path, found)


def _file(descriptor: int, name: str) -> BinaryIO:
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:  # it is a folder
        os.close(descriptor)
        raise NoFile(f"{name} is no ordinary file") from None


def is_written(descriptor: int) -> bool:
    """Whether anybody has the file open for writing, as far as this machine knows. The kernel gives a read lease
    only where nobody has; it is given back at once."""
    if hasattr(fcntl, "F_SETLEASE"):
        try:
            # Who opens the file just now has us told by a signal; the usual one would end the process.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return True
            # Not our file, or a file system without leases.
        else:
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return False
    stat = os.fstat(descriptor)
    return any(_writes(process, stat) for process in Path("/proc").glob("[0-9]*/fd"))


def _writes(descriptors: Path, stat: os.stat_result) -> bool:
    """Whether a process, by its folder of open files, has this one open for writing. Those of others are closed to
    us, and so is one that has just ended."""
    try:
        with os.scandir(descriptors) as entries:
            names = [each.name for each in entries]
    except OSError:
        return False
    for name in names:
        with suppress(OSError, ValueError):
            there = os.stat(descriptors / name)
            if (there.st_dev, there.st_ino) != (stat.st_dev, stat.st_ino):
                continue
            words = (descriptors.parent / "fdinfo" / name).read_text(encoding="ascii").split()
            if int(words[words.index("flags:") + 1], 8) & _WRITING:
                return True
    return False
