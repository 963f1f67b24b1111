"""What the local storage needs of the file system: syncing, ages of files, errors in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from video_assets.clock import utc_now
from video_assets.errors import PermanentError, one_line
from video_assets.storage.base import Full

STILL_SECONDS = 10
"""A file that is being made may be unlocked for a moment, just after it was created and just before it is moved. So
only files that have not changed for this long count as abandoned."""


def sync(path: Path) -> None:
    """Returns when a file's bytes, or a folder's entries, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begun_before(path: Path, moment: datetime) -> bool:
    try:
        # Not the modification time, which for a hard link is the linked file's.
        return path.lstat().st_ctime < moment.timestamp()
    except FileNotFoundError:
        return False


def is_unchanged(path: Path) -> bool:
    """Whether the file has not changed for `STILL_SECONDS`. The absolute difference also works after the clock was set
    back."""
    try:
        return abs(utc_now().timestamp() - path.lstat().st_ctime) > STILL_SECONDS
    except FileNotFoundError:
        return False


@contextmanager
def in_words(key: str) -> Iterator[None]:
    """Turns errors of the file system into Full or PermanentError, with one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Full(one_line(f"the disk is full: storage cannot keep {key}; free some space there")) from error
        raise PermanentError(one_line(f"storage cannot keep {key}: {error.strerror or error}")) from error
