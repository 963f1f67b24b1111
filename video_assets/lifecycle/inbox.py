"""The inbox: which dropped files are whole by now. A pure decision over what a look at the folder saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from video_assets.lifecycle.intake import CAPTION_ENDINGS

_UNFINISHED = (".part", ".partial", ".crdownload", ".tmp", ".download", ".filepart")


@dataclass(frozen=True)
class Seen:
    """A file as one look at the inbox found it."""

    name: str
    bytes: int
    modified_ns: int
    since: datetime
    """When it was first seen with this size and time."""


def look(folder: Path, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
    """What lies in the inbox now; a file unchanged since the look before keeps its `since`."""
    found: dict[str, Seen] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in _UNFINISHED or path.is_symlink() or not path.is_file():
            continue
        try:
            stat = path.stat()
        except FileNotFoundError:  # taken away since it was listed
            continue
        known = before.get(path.name)
        same = known is not None and (known.bytes, known.modified_ns) == (stat.st_size, stat.st_mtime_ns)
        since = known.since if known is not None and same else now
        found[path.name] = Seen(path.name, stat.st_size, stat.st_mtime_ns, since)
    return found


def settled(seen: Mapping[str, Seen], now: datetime, settle_seconds: float) -> Sequence[str]:
    """The videos to take in: they, and captions beside them, have stopped growing. Oldest first."""
    still = now - timedelta(seconds=settle_seconds)
    growing = {Path(each.name).stem for each in seen.values() if each.since > still}
    ready = [
        each
        for each in seen.values()
        if Path(each.name).stem not in growing
        and each.bytes > 0
        and Path(each.name).suffix.lower() not in CAPTION_ENDINGS
    ]
    return [each.name for each in sorted(ready, key=lambda each: (each.modified_ns, each.name))]
