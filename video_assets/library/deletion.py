"""Deletes a video: its rows, files and search document, so that no running run can bring it back."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from video_assets.artifacts.pointer import pointer_key, tombstone
from video_assets.database.engine import Database
from video_assets.errors import PermanentError
from video_assets.intake import upload_rows
from video_assets.library import adopted_rows, deletion_rows
from video_assets.search import SearchIndex
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import Stage, video_prefix


def delete_video(
    video_id: int, *, database: Database, storage: Storage, search: SearchIndex, settings: Settings, now: datetime
) -> bool:
    """Deletes a video; False where there is none. The caller cancels its runs and drops its partition.

    Tombstones come first: from then on no run can publish. Then the rows go, in one transaction with `video.deleted`;
    then the files. After an interruption a second call finishes the deletion. A video that only storage knows is
    deleted too.
    """
    with database.read() as session:
        known = deletion_rows.is_known(session, video_id)
        old_keys = adopted_rows.old_keys(session, video_id)
    if not known and not is_stored(storage, video_id):
        return False
    tombstone(storage, video_id, now)
    for key in old_keys:  # before the rows, because only they have these keys
        with suppress(PermanentError):  # not a valid key of this storage
            storage.delete(key)
    with database.write() as session:
        if deletion_rows.delete_video(session, video_id, now=now, service=settings.outbox_service) is None:
            upload_rows.restore_deleted(session, video_id, now)  # only storage knew the video
    sweep(video_id, storage=storage, search=search)
    return True


def is_stored(storage: Storage, video_id: int) -> bool:
    """Whether storage has any object of the video, whatever the tables say."""
    return next(iter(storage.list(video_prefix(video_id))), None) is not None


def sweep(video_id: int, *, storage: Storage, search: SearchIndex) -> int:
    """Removes all objects of a deleted video except its tombstones; returns how many. `reconcile` calls it again, for
    files that a killed run left behind."""
    search.remove(video_id, forever=True)
    tombstones = {pointer_key(video_id, stage) for stage in Stage}
    leftovers = [stat.key for stat in storage.list(video_prefix(video_id)) if stat.key not in tombstones]
    for key in leftovers:
        storage.delete(key)
    return len(leftovers)
