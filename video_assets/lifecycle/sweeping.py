"""What intakes that died left behind: a row at `uploading`, files that no video names, half-made objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from video_assets.database import intake
from video_assets.database.engine import Database
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import video_prefix


def sweep_uploads(database: Database, storage: Storage, settings: Settings, now: datetime) -> Iterator[str]:
    """Takes uploads back that have not come whole for longer than UPLOAD_HOURS; a line about each. One that is
    still going after all finds its video gone when it ends, and says so."""
    before = now - timedelta(hours=settings.upload_hours)
    with database.read() as session:
        dead = intake.unfinished_since(session, before)
    for video_id in dead:
        with database.write() as session:
            gone = intake.withdraw_unfinished(session, video_id, before)
        if gone:
            storage.delete_prefix(video_prefix(video_id))
            yield f"video {video_id}: its upload never ended and was taken back"


def sweep_unfinished(storage: Storage, settings: Settings, now: datetime) -> Iterator[str]:
    """Removes what killed writers left half-done in storage; a line where there was something."""
    if removed := storage.clear_unfinished(now - timedelta(hours=settings.upload_hours)):
        yield f"{removed} half-made objects of interrupted writes removed"
