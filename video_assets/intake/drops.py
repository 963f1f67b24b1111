"""The inbox: which dropped files are whole by now. A pure decision over what a look at the folder, or at the
bucket prefix, saw."""

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

if TYPE_CHECKING:  # who has no bucket does not load its library
    from video_assets.intake.bucket import Dropped

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


def cursor_of(seen: Mapping[str, Seen]) -> str:
    """What a look saw, as text for the next one. Plain ASCII: names may be of any bytes, which no UTF-8 can hold."""
    return json.dumps({name: {**asdict(each), "since": each.since.isoformat()} for name, each in seen.items()})


def seen_before(cursor: str | None) -> dict[str, Seen]:
    """What the look before saw; nothing where its text cannot be read."""
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        told = json.loads(cursor or "{}").items()
        return {name: Seen(**{**each, "since": _moment(each["since"])}) for name, each in told}
    return {}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


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
    for name, stat in sorted(_ordinary_files(folder)):
        known = before.get(name)
        same = known is not None and (known.bytes, known.modified_ns) == (stat.st_size, stat.st_mtime_ns)
        since = known.since if known is not None and same else now
        left = known is not None and known.left and known.version == version_of(stat)
        # A moment from the future is another clock's: it must not hold the file back until then.
        found[name] = Seen(name, stat.st_size, stat.st_mtime_ns, min(since, now), version_of(stat), left)
    return found


def _ordinary_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The files that may be drops; links, folders, pipes and what else may have such a name are none."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or Path(entry.name).suffix.lower() in _UNFINISHED:
                continue
            try:
                stat = os.lstat(entry.path)
            except OSError:  # taken away since it was listed
                continue
            if kinds.S_ISREG(stat.st_mode):
                yield entry.name, stat


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
