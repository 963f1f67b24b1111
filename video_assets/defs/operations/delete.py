"""Deletes a video for good: rows, objects, runs and its partition key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from video_assets.clock import utc_now
from video_assets.defs.operations.cancel import cancel_video
from video_assets.defs.operations.unfinished import unfinished_runs
from video_assets.defs.partitions import VIDEOS
from video_assets.library import deletion, deletion_rows
from video_assets.systems import Systems


def delete_video(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> bool:
    """Deletes a video for good; False where there is none. Its runs are told to stop and not waited for: tombstones
    keep them from publishing."""
    found = deletion.delete_video(
        video_id,
        database=systems.database,
        storage=systems.storage,
        search=systems.search,
        settings=systems.settings,
        now=utc_now(),
    )
    if found:
        cancel_video(systems, instance, video_id)
        drop_partition(instance, video_id)
    return found


def drop_partition(instance: dg.DagsterInstance, video_id: int) -> bool:
    """Removes the video's partition key; returns whether it did. Not while a backfill runs, which would fail as a whole
    if one of its keys were gone; `reconcile` removes the key later."""
    if instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]), limit=1):
        return False
    instance.delete_dynamic_partition(VIDEOS, str(video_id))
    return True


def sweep_deleted(systems: Systems, instance: dg.DagsterInstance, now: datetime) -> Iterator[str]:
    """Removes what killed runs left behind of videos that were deleted in the last day and have no unfinished run;
    yields a line about each removal."""
    with systems.database.read() as session:
        recent = deletion_rows.deleted_since(session, now - timedelta(days=1))
    for video_id in recent:
        if unfinished_runs(instance, video_id):
            cancel_video(systems, instance, video_id)  # deleted over HTTP, where nobody could
            continue
        if removed := deletion.sweep(video_id, storage=systems.storage, search=systems.search):
            yield f"deleted video {video_id}: {removed} files of an interrupted run removed"
        if instance.has_dynamic_partition(VIDEOS, str(video_id)) and drop_partition(instance, video_id):
            yield f"deleted video {video_id}: its partition removed"
