"""The lock that allows only one `up` over a HOME, and names the process that has it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from video_assets.clock import utc_now
from video_assets.errors import PermanentError, one_line
from video_assets.footprint import lives

NAME = "up.lock"
PREFIX = "video-assets-"
"""Prefix of the temporary folder for the code server's socket."""
PATIENCE_SECONDS = 15.0
"""How long to wait for the lock of an `up` that was killed: its guard holds it until all of its parts are gone."""


class Alone:
    """The lock while we hold it. Its file holds data about this `up`, which other commands read."""

    def __init__(self, held: int, before: dict[str, Any]) -> None:
        self._before = before
        self.held = held
        """The file descriptor. The lock is held as long as it is open, here or in a child that inherited it."""
        self._notes: dict[str, Any] = {}

    def clear_up(self) -> None:
        """Removes the temporary folder of an earlier `up` that was killed together with its guard."""
        folder = Path(str(self._before.get("socket", ""))).parent
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)

    def note(self, **notes: Any) -> None:
        """Adds data to the lock's file."""
        self._notes |= notes
        data = json.dumps(self._notes).encode()
        # In place, because a new file would be a new lock. Padded with blanks, so that a shorter text is also a single
        # write and readers see either the old or the new text.
        size = os.fstat(self.held).st_size
        os.pwrite(self.held, data.ljust(size), 0)


@contextlib.contextmanager
def alone(home: Path, *, port: int | None) -> Iterator[Alone]:
    """For the block, holds the lock of this HOME, which is created if needed. PermanentError, which names the other
    process, where it is taken."""
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        held = os.open(home / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        what = f"cannot write {error.filename}: {error.strerror}; set VIDEO_ASSETS_HOME"
        raise PermanentError(one_line(what)) from None
    try:
        _take(held, home)
        mine = Alone(held, _noted(held))
        since = utc_now().isoformat(timespec="seconds")
        os.ftruncate(held, 0)
        mine.note(pid=os.getpid(), port=port, since=since, ready=False)
        try:
            yield mine
        finally:
            os.ftruncate(held, 0)
    finally:
        os.close(held)


def who(home: Path) -> dict[str, Any] | None:
    """The data that the `up` over this HOME wrote into its lock; None where none runs."""
    try:
        held = os.open(home.absolute() / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _noted(held)
    finally:
        os.close(held)
    return None


def _take(held: int, home: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _noted(held)
            # No data yet, or of a process that is gone: both last only a moment.
            if lives(other.get("pid")) or time.monotonic() > deadline:
                raise PermanentError(one_line(_refusal(home, other))) from None
            time.sleep(0.1)
        else:
            return


def _refusal(home: Path, other: dict[str, Any]) -> str:
    pid, port, since = (other.get(name) for name in ("pid", "port", "since"))
    where = f" at http://127.0.0.1:{port}" if port else ""
    who_it_is = f"process {pid}{where}, since {since}" if pid else "another process"
    return f"{home} is in use by another video-assets up ({who_it_is}); stop it, or set VIDEO_ASSETS_HOME"


def _noted(held: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(held, 65536, 0) or b"{}")
    except (OSError, ValueError):  # it is being written
        return {}
    return found if isinstance(found, dict) else {}
