"""Rebuilds the tables from storage, one video at a time.

A damaged object of one video becomes a line in the result and does not keep the other videos from being restored: one
unreadable `upload.json` once ended the rebuild of a whole library.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from video_assets.accounts import visibility
from video_assets.accounts.permissions import Visibility
from video_assets.clock import utc_now
from video_assets.database.engine import Database, NoSchema
from video_assets.database.models import AccessRow
from video_assets.errors import TransientError, one_line
from video_assets.intake import upload_rows
from video_assets.intake.identity import VIDEOS
from video_assets.library import deletion_rows, queries
from video_assets.library.recorded import known_upload, note_record
from video_assets.library.survey import Seen, survey
from video_assets.projection import apply
from video_assets.projection.events import Event
from video_assets.projection.failure_record import read_failure
from video_assets.projection.made import made_from_manifest
from video_assets.settings import Settings
from video_assets.storage import Storage

HIGHEST = 2**31 - 1
"""The highest id that the tables can hold."""


@dataclass
class Rebuilt:
    """The result of a rebuild."""

    videos: int = 0
    """The number of videos that were restored, as far as possible."""
    mended: list[str] = field(default_factory=list)
    """A line about each repair in storage."""
    trouble: list[str] = field(default_factory=list)
    """A line about each thing that could not be restored, with what to do."""


def stored_ids(storage: Storage) -> list[int]:
    """The ids of all videos in storage, deleted ones included, ascending."""
    names = (name for name in storage.folders(VIDEOS) if name.isascii() and name.isdigit() and name[0] != "0")
    return sorted(number for number in map(int, names) if number <= HIGHEST)


def strange_folders(storage: Storage) -> Iterator[str]:
    """A line about each folder below `videos/` whose name is not a video id."""
    known = {str(video_id) for video_id in stored_ids(storage)}
    for name in sorted(set(storage.folders(VIDEOS)) - known):
        yield one_line(f"{VIDEOS}{name}/ in storage is no video's folder, and was left out; move it elsewhere")


def restore(video_id: int, *, database: Database, storage: Storage, settings: Settings) -> Seen | None:
    """Restores one video's rows: the descriptive columns from its upload record, everything else through the
    projection, from its manifests and failure.json. Returns what was found; None where an upload may be running."""
    seen = survey(storage, video_id, lambda: known_upload(database, video_id))
    if seen.deleted_at is not None:
        with database.write() as session:
            # After an interrupted deletion the row still exists; deleting it adds `video.deleted`.
            if deletion_rows.delete_video(session, video_id, seen.deleted_at, service=settings.outbox_service) is None:
                upload_rows.restore_deleted(session, video_id, seen.deleted_at)
        return seen
    if seen.unfinished:
        with database.read() as session:
            if queries.video(session, video_id) is not None:  # it may be running; if not, the sweep removes it
                return None
        seen.tell(f": its upload never came whole; `video-assets delete {video_id}` removes what lies there")
    if seen.record is not None:
        with _reported(seen):
            found = visibility.stored(storage, video_id)
            with database.write() as session:
                upload_rows.restore(session, seen.record, size_bytes=seen.record.size_bytes)
                if found is not None:  # in the same transaction: it is never there for everybody
                    visibility.put_back(session, video_id, found, now=utc_now())
            note_record(database, storage, video_id)
            # Without messages: they were sent when the artifacts were made.
            _apply(seen, database, storage, settings, announce=False)
    return seen


def reapply(video_id: int, *, database: Database, storage: Storage, settings: Settings, hashes: bool = False) -> Seen:
    """Applies the artifacts that the pointers name, for a video whose events were missed, and adds the messages that
    were never added. `hashes`: also reads every byte of its files."""
    seen = survey(storage, video_id, lambda: known_upload(database, video_id), hashes=hashes)
    if seen.deleted_at is None and seen.record is not None and known_upload(database, video_id) is not None:
        with _reported(seen):
            note_record(database, storage, video_id)
            _compare_access(database, storage, video_id)
    if seen.deleted_at is None and seen.made:
        with _reported(seen):
            _apply(seen, database, storage, settings, announce=True)
    return seen


def _compare_access(database: Database, storage: Storage, video_id: int) -> None:
    """Who may see it, in the tables and in storage: the later of the two counts."""
    found = visibility.stored(storage, video_id)
    with database.read() as session:
        row = session.get(AccessRow, video_id)
        noted = (Visibility(row.visibility), row.version) if row else None
    if found is not None and (noted is None or noted[1] < found[1]):
        with database.write() as session:
            visibility.put_back(session, video_id, found, now=utc_now())
    elif noted is not None and found != noted:
        visibility.store(storage, video_id, *noted)


def _apply(seen: Seen, database: Database, storage: Storage, settings: Settings, *, announce: bool) -> None:
    events: list[Event] = []
    for stage, (manifest, pointer) in seen.made.items():
        with _reported(seen, f", {stage.value}"):
            events.append(made_from_manifest(manifest, storage, pointer=pointer))
    if not announce:
        with _reported(seen, ", failure.json"):
            failure = read_failure(storage, seen.video_id)
            events += failure.events() if failure else ()
    apply.apply(database, [(0, event) for event in events], settings, announce=announce)


@contextmanager
def _reported(seen: Seen, where: str = "") -> Iterator[None]:
    """For the block, turns an error into a line about this video. Errors of servers are raised."""
    try:
        yield
    except (TransientError, NoSchema):
        raise
    except Exception as error:
        words = one_line(error, 200) or type(error).__name__
        seen.tell(f"{where}: {words}; `video-assets process --video {seen.video_id}` makes it again")
