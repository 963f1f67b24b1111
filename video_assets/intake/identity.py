"""Checks that tables and storage belong together: both carry the same identity, else no file is taken in.

Without the check a lost `video-assets.db`, a wrong DATABASE_URL or a volume that is not mounted looks like a new
library: the next upload once got an id that was in use already, and its file replaced that video's.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from video_assets.database.engine import Database, NoSchema
from video_assets.errors import PermanentError
from video_assets.intake import identity_rows as tables
from video_assets.intake import upload_rows
from video_assets.intake.identity_rows import Noted
from video_assets.storage import Conflict, NotFound, Storage

KEY = "library.json"
"""The object at the storage's root that holds the identity."""
VIDEOS = "videos/"
FAR_AHEAD = 1_000_000
"""A video id that is further above the newest one cannot be ours. Accepting it would use up all ids below it."""
_UNREADABLE = ""
_RESTORE = "`video-assets rebuild --database`"
_SETTINGS = "VIDEO_ASSETS_DATABASE_URL or VIDEO_ASSETS_STORAGE_URL"


class Apart(PermanentError):
    """Tables and storage do not belong to the same library; no file is taken in until they do."""


@dataclass(frozen=True)
class Found:
    """What tables and storage hold."""

    stored: str | None
    """The storage's identity; None where it has none, empty where its object cannot be read."""
    holds: bool
    """Whether storage has an object of any video."""
    empty: bool
    """Whether storage has no object at all."""
    noted: Noted | None
    rows: int
    """The number of videos in the tables."""
    ours: int
    """How many of them must have objects in storage; those of the services before need not."""


def must_match(database: Database, storage: Storage) -> None:
    """Returns if tables and storage belong together, by comparing a row with a small object. A new library, or one of a
    release without identities, gets its identity here. Raises Apart, with a line that says what to do, where they do
    not belong together."""
    if _same(database, storage):
        return
    trouble = what_is_wrong(database, storage)
    if trouble:
        raise Apart(trouble)
    _join(database, storage)


def what_is_wrong(database: Database, storage: Storage) -> str | None:
    """Why tables and storage do not belong together, in a line that says what to do; None where they do, or can be
    given one identity. Changes nothing."""
    if _same(database, storage):
        return None
    # Looked at twice if something is wrong: another process may just be writing the identity.
    return judged(_look(database, storage)) and judged(_look(database, storage))


def judged(found: Found) -> str | None:
    """The decision of `what_is_wrong`, pure."""
    if found.stored == _UNREADABLE:
        return f"{KEY} in the storage cannot be read, which says whose it is; {_RESTORE} writes it anew"
    if found.stored is not None and found.noted is not None:
        if found.stored == found.noted.identity:
            return None
        return (
            f"the tables belong to another storage than this one; correct {_SETTINGS}, or name a new, empty database "
            f"and run {_RESTORE}"
        )
    if found.rows == 0:
        if found.stored is None and not found.holds:
            return None
        return (
            f"the storage holds videos that the tables know nothing of: they were lost, or are others; run {_RESTORE}, "
            f"or correct {_SETTINGS}"
        )
    if found.stored is not None:
        return (
            f"the tables do not say that they belong to this storage; where they do, run {_RESTORE}, else correct "
            f"{_SETTINGS}"
        )
    if found.ours and found.empty:
        return (
            f"the tables know {found.rows} videos, and the storage is empty: mount it, or correct "
            f"VIDEO_ASSETS_STORAGE_URL; where it is lost for good, {_RESTORE[:-1]} --storage-lost`"
        )
    if found.ours and found.noted is not None and found.noted.settled:
        return (
            f"the storage has no {KEY} and so may be another: correct VIDEO_ASSETS_STORAGE_URL, or, where it is the "
            f"right one, run {_RESTORE}"
        )
    return None


def may_rebuild(database: Database, storage: Storage, *, storage_lost: bool = False) -> None:
    """Raises Apart where rebuilding the tables from this storage would mix two libraries, or where the storage is
    empty, unless the operator says with `storage_lost` that its content is lost for good."""
    found = _look(database, storage)
    strangers = found.stored and found.noted is not None and found.stored != found.noted.identity
    gone = found.ours and found.empty and not storage_lost
    if found.rows and (strangers or gone):
        raise Apart(judged(found) or "")


def put_together(database: Database, storage: Storage) -> None:
    """After a rebuild of the tables: gives tables and storage the same identity, and keeps ids that storage has used
    from being given again."""
    stored, etag = _stored(storage)
    with database.read() as session:
        noted = tables.noted(session)
        ours = stored or (noted.identity if noted else str(uuid4()))
    if not stored:
        storage.put_if(KEY, _written(ours), etag)
    with database.write() as session:
        tables.put(session, ours)
    burn_ids(database, storage)


def burn_ids(database: Database, storage: Storage) -> None:
    """Moves the id counter above every id that storage has objects of."""
    with database.read() as session:
        limit = upload_rows.newest_id(session) + FAR_AHEAD
    highest = max(_ids(storage, limit=limit), default=0)
    if highest:
        with database.write() as session:
            upload_rows.never_again(session, highest)


def _ids(storage: Storage, *, limit: int) -> list[int]:
    names = (name for name in storage.folders(VIDEOS) if name.isascii() and name.isdigit() and name[0] != "0")
    return [number for number in map(int, names) if number <= limit]


def _same(database: Database, storage: Storage) -> bool:
    """Whether both have the same identity, which is the usual case."""
    stored, _ = _stored(storage)
    if not stored:
        return False
    try:
        with database.read() as session:
            noted = tables.noted(session)
    except NoSchema:
        return False
    return noted is not None and noted.settled and noted.identity == stored


def _look(database: Database, storage: Storage) -> Found:
    # Storage is read first, because `_join` writes the identity of a new library into the tables before storage.
    stored, _ = _stored(storage)
    holds = next(iter(storage.folders(VIDEOS)), None) is not None
    empty = not holds and stored is None and next(iter(storage.list("")), None) is None
    try:
        with database.read() as session:
            return Found(stored, holds, empty, tables.noted(session), *tables.known_videos(session))
    except NoSchema:
        if (stored is None and not holds) or _has_rows(database):  # new tables, or those of an earlier release
            raise
        return Found(stored, holds, empty, None, 0, 0)


def _has_rows(database: Database) -> bool:
    try:
        with database.read() as session:
            return tables.known_videos(session)[0] > 0
    except NoSchema:
        return False


def _join(database: Database, storage: Storage) -> None:
    with database.write() as session:
        ours = tables.propose(session, str(uuid4())).identity
    with suppress(Conflict):  # another process was faster, for this library or another one
        storage.put_if(KEY, _written(ours), None)
    if _stored(storage)[0] != ours:
        raise Apart(judged(_look(database, storage)) or "another library was put into this storage just now; try again")
    burn_ids(database, storage)
    with database.write() as session:
        tables.settle(session)


def _stored(storage: Storage) -> tuple[str | None, str | None]:
    """The storage's identity, and the etag of its object; None for both where there is no such object."""
    try:
        data, etag = storage.get_with_etag(KEY)
    except NotFound:
        return None, None
    try:
        identity = json.loads(data)["identity"]
    except (ValueError, KeyError, TypeError):
        identity = _UNREADABLE
    return identity if isinstance(identity, str) else _UNREADABLE, etag


def _written(identity: str) -> bytes:
    about = "says to which tables this storage belongs; see docs/operations.md"
    return (json.dumps({"identity": identity, "about": about}, indent=1) + "\n").encode()
