"""Videos taken over from the services before get what ours have from the start: an upload record in storage, by
which they can be made again and their rows told from storage."""

from __future__ import annotations

from video_assets.artifacts.upload import put_upload_record
from video_assets.database.engine import Database
from video_assets.library import adopted_rows
from video_assets.storage import Storage

AT_ONCE = 200


def record_adopted(database: Database, storage: Storage) -> list[str]:
    """Writes the records that are missing, some at a time; a line where there were any."""
    with database.read() as session:
        records = adopted_rows.unrecorded(session, AT_ONCE)
    for record in records:
        put_upload_record(storage, record)
    if not records:
        return []
    with database.write() as session:
        adopted_rows.mark_recorded(session, [record.video_id for record in records])
    return [f"{len(records)} videos of the services before have their upload records"]
