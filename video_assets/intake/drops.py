"""Decides which dropped files are whole by now. Pure, from what each look at the folder or bucket prefix saw."""

from __future__ import annotations

import hashlib
import json
import os
import stat as kinds
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from video_assets.intake.opened_file import version_of
from video_assets.intake.uploads import CAPTION_ENDINGS

if TYPE_CHECKING:  # loads boto3, which a folder inbox does not need
    from video_assets.intake.bucket import Dropped

_UNFINISHED = (".part", ".partial", ".crdownload", ".tmp", ".download", ".filepart")


@dataclass(frozen=True)
class Seen:
    """A file in the inbox, as one look found it."""

    name: str
    bytes: int
    modified_ns: int
    since: datetime
    """When it was first seen with this size and modification time."""
    version: str = ""
    """Identifies this drop, also among drops of the same name and content."""
    left: bool = False
    """It was taken in, but could not be removed from the inbox, because we lack the right to."""


AT_ONCE = 5000
"""The most objects that one look at a bucket lists. Those taken in are removed, so the others get their turn."""


def message_id(place: str, seen: Seen) -> str:
    """The id under which `processed_messages` records that a drop was taken in."""
    identity = json.dumps([place, seen.name, seen.bytes, seen.version])
    return f"inbox:{hashlib.sha256(identity.encode()).hexdigest()}"


def cursor_of(seen: Mapping[str, Seen]) -> str:
    """The sensor's cursor: what a look saw, as text for the next look. Plain ASCII, because file names may have bytes
    that are not valid UTF-8."""
    return json.dumps({name: {**asdict(each), "since": each.since.isoformat()} for name, each in seen.items()})


def seen_before(cursor: str | None) -> dict[str, Seen]:
    """What the last look saw, read from its cursor; nothing where the cursor cannot be read."""
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        files = json.loads(cursor or "{}").items()
        return {name: Seen(**{**each, "since": _moment(each["since"])}) for name, each in files}
    return {}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def look_at_bucket(dropped: Iterable[Dropped], before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
    """The objects below the prefix now. An object is always whole, but its captions may follow it later."""
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
    """The files in the inbox folder now. A file that is unchanged since the last look keeps its `since`."""
    found: dict[str, Seen] = {}
    for name, stat in sorted(_ordinary_files(folder)):
        known = before.get(name)
        same = known is not None and (known.bytes, known.modified_ns) == (stat.st_size, stat.st_mtime_ns)
        since = known.since if known is not None and same else now
        left = known is not None and known.left and known.version == version_of(stat)
        # A `since` in the future comes from another clock, and must not delay the file until then.
        found[name] = Seen(name, stat.st_size, stat.st_mtime_ns, min(since, now), version_of(stat), left)
    return found


def _ordinary_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files that are not hidden or unfinished; no links, folders or pipes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or Path(entry.name).suffix.lower() in _UNFINISHED:
                continue
            try:
                stat = os.lstat(entry.path)
            except OSError:  # removed since it was listed
                continue
            if kinds.S_ISREG(stat.st_mode):
                yield entry.name, stat


def settled(seen: Mapping[str, Seen], now: datetime, settle_seconds: float) -> Sequence[str]:
    """The names of the videos to take in, oldest first: neither they nor captions beside them have changed for
    `settle_seconds`."""
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
