"""The inbox: which dropped files are whole by now. A pure decision over what a look at the folder, or at the
bucket prefix, saw."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from video_assets.lifecycle.intake import CAPTION_ENDINGS

if TYPE_CHECKING:  # who has no bucket does not load its library
    from video_assets.storage.s3_inbox import Dropped

_UNFINISHED = (".part", ".partial", ".crdownload", ".tmp", ".download", ".filepart")


@dataclass(frozen=True)
class Seen:
    """A file as one look at the inbox found it."""

    name: str
    bytes: int
    modified_ns: int
    since: datetime
    """When it was first seen with this size and time."""
    version: str = ""
    """Tells this drop from every other, one of the same bytes under the same name too."""
    left: bool = False
    """It was taken in, but could not be taken away: the inbox is not ours to clear."""


AT_ONCE = 5000
"""How many are looked at; what is taken in goes away and makes room for the rest."""


def message_id(place: str, seen: Seen) -> str:
    """The name under which a drop is noted as taken, in `processed_messages`."""
    identity = json.dumps([place, seen.name, seen.bytes, seen.version])
    return f"inbox:{hashlib.sha256(identity.encode()).hexdigest()}"


def version_of(stat: os.stat_result) -> str:
    """Of a file: no two drops have the same, as nobody can set when an inode was changed."""
    return f"{stat.st_dev}-{stat.st_ino}-{stat.st_ctime_ns}"


def look_at_bucket(dropped: Iterable[Dropped], before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
    """What lies below the prefix now. An object is whole from its first moment, but captions may follow it."""
    found: dict[str, Seen] = {}
    for each in islice(dropped, AT_ONCE):
        if each.name.startswith(".") or Path(each.name).suffix.lower() in _UNFINISHED:
            continue
        modified = int(each.modified.timestamp() * 1e9)
        seen = Seen(each.name, each.bytes, modified, now, version=f"{each.etag}-{modified}")
        known = before.get(each.name)
        same = known is not None and replace(known, since=now, left=False) == seen
        found[each.name] = known if known is not None and same else seen
    return found


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
        left = known is not None and known.left and known.version == version_of(stat)
        found[path.name] = Seen(path.name, stat.st_size, stat.st_mtime_ns, since, version_of(stat), left)
    return found


def settled(seen: Mapping[str, Seen], now: datetime, settle_seconds: float) -> Sequence[str]:
    """The videos to take in: they, and captions beside them, have stopped growing. Oldest first."""
    still = now - timedelta(seconds=settle_seconds)
    growing = {Path(each.name).stem for each in seen.values() if each.since > still}
    ready = [
        each
        for each in seen.values()
        if Path(each.name).stem not in growing
        and not each.left
        and each.bytes > 0
        and Path(each.name).suffix.lower() not in CAPTION_ENDINGS
    ]
    return [each.name for each in sorted(ready, key=lambda each: (each.modified_ns, each.name))]
