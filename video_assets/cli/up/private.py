"""Makes HOME and its files accessible to their owner only: the tables have password hashes, the logs spoken words.

Storage and inbox outside of HOME keep their rights: other users may read the one and drop files into the other.
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
"""Every HOME that was ever used has one of these, by which it is recognised."""


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """For the block, new files are accessible to their owner only, also those of processes started in it. The same is
    set for HOME and for files in it that an earlier release left open."""
    try:
        settings = Settings.load()
    except PermanentError:  # the command that needs the settings reports it
        yield
        return
    before = None if _stores_elsewhere(settings) else os.umask(OTHERS)
    tighten(settings.home)
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)
        tighten(settings.home)  # HOME may have been made in the block


def tighten(home: Path) -> None:
    """Removes other users' rights to HOME and to the important files in it; if HOME was open until now, also to all of
    Dagster's files. Does nothing to a folder that is not ours."""
    with contextlib.suppress(OSError):
        found = home.stat()
        # Never a shared folder: with HOME=/tmp no other user could use /tmp any more.
        if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX or not any((home / n).exists() for n in _OURS):
            return
        was_open = bool(found.st_mode & OTHERS)
        if was_open:
            home.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        for path in _files(home, dagsters=was_open):
            _take_from_others(path)


def make_for_all(folder: Path) -> None:
    """Makes a folder that other users can read: the inbox, which may be outside of HOME."""
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
    """Whether storage is a folder outside of HOME, which other users may read."""
    parts = urlsplit(settings.storage)
    if parts.scheme != "file":
        return False
    folder = Path(unquote(parts.path)).resolve()
    return not folder.is_relative_to(settings.home.resolve())
