"""The temporary folder of an upload that is copied through HOME. It is locked while in use; the lock ends with the
process, so the sweep recognises the folders of dead processes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from video_assets.errors import PermanentError, one_line
from video_assets.intake.opened_file import is_written
from video_assets.settings import Settings

WORK_PREFIX = "intake-"


@contextmanager
def intake_folder(settings: Settings) -> Iterator[Path]:
    """For the block, a new folder, which is removed at the end. PermanentError where HOME cannot be written."""
    path = settings.work_folder / f"{WORK_PREFIX}{uuid4().hex}"
    try:
        path.mkdir(parents=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise PermanentError(one_line(f"cannot write {path}: {error.strerror}; set VIDEO_ASSETS_HOME")) from None
    try:
        with suppress(OSError):  # a file system without locks: then the sweep goes by age
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def is_at_work(path: Path) -> bool | None:
    """Whether a living process uses this folder or file; None where that cannot be known."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return True  # just ended
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.is_file() and is_written(descriptor)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
