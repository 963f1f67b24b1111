"""Rebuilding what can be thrown away, the tables and the index, from what was really made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from video_assets.artifacts import Manifest, Pointer
from video_assets.artifacts.pointer import read_manifest, read_pointer
from video_assets.artifacts.upload import read_upload_record
from video_assets.database import intake, projected
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, one_line
from video_assets.lifecycle.events import Event, Made
from video_assets.lifecycle.failure_record import read_failure
from video_assets.settings import Settings
from video_assets.storage import NotFound, Storage
from video_assets.videos import Stage

log = logging.getLogger(__name__)
AS_EVENT = Callable[[Manifest, Pointer], Made]
"""A manifest and its pointer, as the event that told of it."""


def stored_videos(storage: Storage) -> Iterator[tuple[int, bool]]:
    """(video id, deleted?) of every video that storage knows, rising."""
    ids: dict[int, bool] = {}
    for stat in storage.list("videos/"):
        first, _, rest = stat.key.removeprefix("videos/").partition("/")
        if first.isdigit():
            ids.setdefault(int(first), True)
            if rest == "upload.json":
                ids[int(first)] = False
    yield from sorted(ids.items())


def restore(
    video_id: int, *, database: Database, storage: Storage, settings: Settings, as_event: AS_EVENT
) -> list[str]:
    """Puts one video's rows back: descriptive columns from its upload record, everything else by the
    projection, from its manifests and failure.json. Returns what could not be restored, a line each."""
    record = read_upload_record(storage, video_id)
    with database.write() as session:
        intake.restore(session, record, size_bytes=record.size_bytes)
    events, trouble = told_by_storage(video_id, storage, as_event)
    try:
        failure = read_failure(storage, video_id)
        events += failure.events() if failure else ()
    except PermanentError as error:
        trouble.append(one_line(error))
    # Quietly: other services heard of it all when it happened.
    projected.apply(database, [(0, event) for event in events], settings, announce=False)
    return trouble


def reapply(
    video_id: int, *, database: Database, storage: Storage, settings: Settings, as_event: AS_EVENT
) -> list[str]:
    """Applies what the pointers say, for a video whose events were missed; announces what was never told."""
    events, trouble = told_by_storage(video_id, storage, as_event)
    projected.apply(database, [(0, event) for event in events], settings)
    return trouble


def told_by_storage(video_id: int, storage: Storage, as_event: AS_EVENT) -> tuple[list[Event], list[str]]:
    """What the video's pointers tell, as events, and what is wrong with them, a line each."""
    events: list[Event] = []
    trouble: list[str] = []
    for stage in Stage:
        try:
            pointer = read_pointer(storage, video_id, stage)
            if pointer is not None and pointer.deleted_at is None:
                events.append(as_event(read_manifest(storage, pointer.manifest_key), pointer))
        except (NotFound, PermanentError, ValueError) as error:
            trouble.append(one_line(f"video {video_id}, {stage.value}: {error}"))
    return events, trouble


def restore_deleted(video_id: int, *, database: Database, storage: Storage) -> None:
    """Puts the row back that says a video was deleted, so that its id is never given again."""
    pointer = read_pointer(storage, video_id, Stage.UPLOADS)
    if pointer is not None and pointer.deleted_at is not None:
        with database.write() as session:
            intake.restore_deleted(session, video_id, pointer.deleted_at)
