"""One `up` over one HOME: a lock that says who has it."""

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
"""Of the folder for its socket."""
PATIENCE_SECONDS = 15.0
"""One whose process is gone holds the lock until what it had started is gone too."""


class Alone:
    """The lock, held. What is noted in it is read by others, to say who has it and how it is."""

    def __init__(self, held: int, before: dict[str, Any]) -> None:
        self._before = before
        self.held = held
        """A file descriptor: as long as one is open, here or in a child that was given it, the lock is held."""
        self._notes: dict[str, Any] = {}

    def clear_up(self) -> None:
        """Removes the folder of one that was killed together with its guard."""
        folder = Path(str(self._before.get("socket", ""))).parent
        if folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)

    def note(self, **notes: Any) -> None:
        """Adds to what is written there."""
        self._notes |= notes
        data = json.dumps(self._notes).encode()
        # In place: another file of this name would be another lock. Blanks at the end, so that a shorter text is one
        # write too, and whoever reads meanwhile finds the old or the new.
        size = os.fstat(self.held).st_size
        os.pwrite(self.held, data.ljust(size), 0)


@contextlib.contextmanager
def alone(home: Path, *, port: int | None) -> Iterator[Alone]:
    """Holds the lock of this HOME, which is made where there is none. Raises PermanentError that names who has it."""
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
    """What is noted by the `up` that runs over this HOME; None where none does."""
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
            # Not yet noted, or noted by one that is gone: neither takes long.
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
    except (OSError, ValueError):  # just being written
        return {}
    return found if isinstance(found, dict) else {}
