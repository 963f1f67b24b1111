"""HOME and what lies in it are for their owner alone: the tables hold password hashes, the logs what was said.

Storage and inbox elsewhere keep the rights they have: other users may read the one and drop files into the other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from video_assets.errors import PermanentError
from video_assets.settings import Settings

OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OURS = ("video-assets.db", "search.db", "dagster", "storage", "up.lock")
"""One of these is in every HOME that was ever used."""


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """For the block, and for every process that is started within, new files are their owner's alone; so is HOME, and
    what an earlier release left open there."""
    try:
        settings = Settings.load()
    except PermanentError:  # whoever needs them says so
        yield
        return
    before = None if _stores_elsewhere(settings) else os.umask(OTHERS)
    tighten(settings.home)
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)
        tighten(settings.home)  # it may have been made only now


def tighten(home: Path) -> None:
    """Takes from others what rights they have to HOME and to the files right in it that matter; to everything of
    Dagster's too where HOME was open till now. Leaves alone what is not ours."""
    with contextlib.suppress(OSError):
        found = home.stat()
        # Never a folder that others use too: HOME=/tmp would be a bad idea, and worse if nobody else could enter.
        if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX or not any((home / n).exists() for n in _OURS):
            return
        was_open = bool(found.st_mode & OTHERS)
        if was_open:
            home.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        for path in _files(home, dagsters=was_open):
            _take_from_others(path)


def make_for_all(folder: Path) -> None:
    """Makes a folder that others may look into, as the inbox is where it lies outside of HOME."""
    before = os.umask(0o022)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)


def _files(home: Path, *, dagsters: bool) -> Iterator[Path]:
    for pattern in ("*.db*", "*.jsonl*", "*.lock", "logs/*"):
        yield from home.glob(pattern)
    for folder, _, names in os.walk(home / "dagster") if dagsters else ():
        yield from (Path(folder, name) for name in names)


def _take_from_others(path: Path) -> None:
    with contextlib.suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)


def _stores_elsewhere(settings: Settings) -> bool:
    """Whether storage is a folder outside of HOME, whose readers may be others."""
    parts = urlsplit(settings.storage)
    if parts.scheme != "file":
        return False
    folder = Path(unquote(parts.path)).resolve()
    return not folder.is_relative_to(settings.home.resolve())
