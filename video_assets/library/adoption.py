"""Writes upload records into storage for videos that were adopted from the services before. With its record a video can
be made again, and its rows can be rebuilt from storage."""

from __future__ import annotations

from video_assets.artifacts.upload import put_upload_record
from video_assets.database.engine import Database
from video_assets.library import adopted_rows
from video_assets.storage import Storage

AT_ONCE = 200


def record_adopted(database: Database, storage: Storage) -> list[str]:
    """Writes missing records, up to `AT_ONCE` per call; returns a line if there were any."""
    with database.read() as session:
        records = adopted_rows.unrecorded(session, AT_ONCE)
    for record in records:
        put_upload_record(storage, record)
    if not records:
        return []
    with database.write() as session:
        adopted_rows.mark_recorded(session, [record.video_id for record in records])
    return [f"{len(records)} videos of the services before have their upload records"]
