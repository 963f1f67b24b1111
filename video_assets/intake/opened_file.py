"""A file that is opened once and then read through its descriptor, so that its name may lead elsewhere later."""

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
    """There is no such file, or it is not a regular file."""


class Changed(PermanentError):
    """Another process is writing the file, or has since it was opened. It may be whole later."""


@dataclass(frozen=True)
class Opened:
    """A file that is open for reading, and its stat at the time it was opened."""

    file: BinaryIO
    path: Path
    stat: os.stat_result

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return one_line(self.path.name, 80)

    @property
    def size(self) -> int:
        """Its size in bytes when it was opened."""
        return self.stat.st_size

    def must_be_whole(self) -> None:
        """Raises Changed where another process has the file open for writing, or has written to it since it was
        opened."""
        now = os.fstat(self.file.fileno())
        if not self._is_same(now):
            raise Changed(f"{self.name} was written to meanwhile; it is taken once it is whole")
        if is_written(self.file.fileno()):
            raise Changed(f"{self.name} is still open for writing; it is taken once it is whole")

    def is_still_there(self) -> bool:
        """Whether its name still leads to this file, unchanged."""
        try:
            now = os.lstat(self.path)
        except OSError:
            return False
        return self._is_same(now)

    def _is_same(self, now: os.stat_result) -> bool:
        unchanged = (now.st_size, now.st_mtime_ns) == (self.size, self.stat.st_mtime_ns)
        return unchanged and version_of(now) == version_of(self.stat)


def version_of(stat: os.stat_result) -> str:
    """Identifies a version of a file: device, inode and inode change time, which no user can set."""
    return f"{stat.st_dev}-{stat.st_ino}-{stat.st_ctime_ns}"


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[Opened]:
    """Opens a regular file for reading; does not wait for a pipe. `follow`: also through a symbolic link. NoFile where
    there is no regular file, PermanentError where it cannot be read."""
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
    """Whether any process of this machine has the file open for writing. The kernel grants a read lease only if none
    has; the lease is released at once."""
    if hasattr(fcntl, "F_SETLEASE"):
        try:
            # If a process opens the file right now, we get a signal. The default signal, SIGIO, would end this process.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return True
            # The file is not ours, or the file system has no leases: look into /proc instead.
        else:
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return False
    stat = os.fstat(descriptor)
    return any(_writes(process, stat) for process in Path("/proc").glob("[0-9]*/fd"))


def _writes(descriptors: Path, stat: os.stat_result) -> bool:
    """Whether a process, by its `/proc/PID/fd`, has this file open for writing. False where that folder cannot be read:
    it is another user's process, or has just ended."""
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
