"""What the tables must know of storage so that `wanted` can be told from rows: upload records, captions, facts.

Intake and the projection note it as they go. Here it is read from storage, for videos of a release that did not note
it and for those restored.
"""

from __future__ import annotations

from collections.abc import Iterator

from video_assets.artifacts.captions import current_captions
from video_assets.artifacts.pointer import read_manifest
from video_assets.artifacts.upload import UploadRecord, read_upload_record
from video_assets.database.engine import Database
from video_assets.errors import PermanentError
from video_assets.intake import upload_rows
from video_assets.library import queries
from video_assets.library.known import UNREADABLE
from video_assets.projection import store
from video_assets.storage import NotFound, Storage

AT_ONCE = 200


def record_missing(database: Database, storage: Storage) -> list[str]:
    """Reads what rows lack, some videos at a time; a line where there were any. TransientError where storage is away.
    What cannot be read is noted as unknown, and looked at again by `reconcile --thorough`."""
    with database.read() as session:
        unrecorded = upload_rows.without_record(session, AT_ONCE)
        without_facts = store.without_facts(session, AT_ONCE)
    for video_id in unrecorded:
        note_record(database, storage, video_id)
    for video_id, manifest_key in without_facts:
        _note_facts(database, storage, video_id, manifest_key)
    return [*_told(len(unrecorded), "upload records"), *_told(len(without_facts), "facts of uploads")]


def note_record(database: Database, storage: Storage, video_id: int) -> None:
    """Notes what storage has of a video's upload and captions."""
    size_bytes = captions = None
    try:
        record = read_upload_record(storage, video_id)
        captions = current_captions(storage, video_id)
        stat = storage.stat(record.key)
        # Of one that is lost it is what it was: what was made of it stays as fresh as it is.
        size_bytes = stat.bytes if stat else record.size_bytes
    except PermanentError:  # `reconcile --thorough` says what is wrong there
        known = known_upload(database, video_id)
        if known is None:  # deleted meanwhile
            return
        record = known
    with database.write() as session:
        upload_rows.note_record(
            session, record, size_bytes=size_bytes, captions_sha256=captions.sha256 if captions else None
        )


def known_upload(database: Database, video_id: int) -> UploadRecord | None:
    """What the tables know of an upload."""
    with database.read() as session:
        return queries.upload(session, video_id)


def _note_facts(database: Database, storage: Storage, video_id: int, manifest_key: str) -> None:
    try:
        facts = read_manifest(storage, manifest_key).facts
    except (NotFound, PermanentError):
        facts = dict(UNREADABLE)
    with database.write() as session:
        store.add_facts(session, video_id, manifest_key, facts)


def _told(count: int, what: str) -> Iterator[str]:
    if count:
        yield f"{what} of {count} video{'s' if count > 1 else ''} of an earlier release are in the tables now"
