"""Cleans up after interrupted uploads: rows at `uploading`, files without a video, half-written objects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.intake import multipart, multipart_rows, upload_rows
from video_assets.intake.claim import held
from video_assets.intake.holder import is_dead, this_process
from video_assets.intake.identity import what_is_wrong
from video_assets.intake.uploads import remove_upload
from video_assets.intake.work_folder import WORK_PREFIX, is_at_work
from video_assets.settings import Settings
from video_assets.storage import Storage
from video_assets.videos import video_prefix


def sweep_uploads(database: Database, storage: Storage, settings: Settings, now: datetime) -> Iterator[str]:
    """Removes uploads whose process is dead, or that are unfinished after UPLOAD_HOURS; yields a line about each. If
    such an upload is still running, it finds its video gone when it ends, and reports that. An upload over HTTP belongs
    to no process: it goes when it has expired."""
    yield from _sweep_work(settings)
    with database.read() as session:
        unfinished = upload_rows.unfinished_since(session)
    # If this is another library's storage, nothing in it may be removed.
    if not unfinished or what_is_wrong(database, storage):
        return
    here, before = this_process(), now - timedelta(hours=settings.upload_hours)
    with database.read() as session:
        old = set(upload_rows.unfinished_since(session, before))
        over_http = {upload.video_id: upload for upload in multipart_rows.unfinished(session)}
    for video_id in unfinished:
        if upload := over_http.get(video_id):
            if now >= upload.expires_at and multipart.end(upload, database=database, storage=storage):
                yield f"video {video_id}: its upload over HTTP was not completed in time and was taken back"
            continue
        claim = held(storage, video_id)
        dead = claim is not None and (claim.given_up or is_dead(claim.holder, here, one_machine=database.is_sqlite))
        if not dead and video_id not in old:
            continue
        with database.write() as session:
            begun = multipart_rows.is_begun(session, video_id)  # since we looked
            gone = not begun and upload_rows.withdraw_unfinished(session, video_id, None if dead else before)
        if not gone:
            continue
        # Without a claim the files there may be of another upload, unless there is no upload record.
        if claim is not None or storage.stat(f"{video_prefix(video_id)}upload.json") is None:
            remove_upload(storage, video_id)
        yield f"video {video_id}: its upload {'died with its process' if dead else 'never ended'} and was taken back"


def sweep_unfinished(storage: Storage, settings: Settings, now: datetime) -> Iterator[str]:
    """Removes half-written objects of killed processes from storage; yields a line if there were any."""
    removed = storage.clear_abandoned() + storage.clear_unfinished(now - timedelta(hours=settings.upload_hours))
    if removed:
        yield f"{removed} half-made objects of interrupted writes removed"


def _sweep_work(settings: Settings) -> Iterator[str]:
    """Removes copies in the work folder that no process is using. An earlier release made files there, not folders."""
    folder = settings.work_folder
    for path in folder.glob(f"{WORK_PREFIX}*") if folder.is_dir() else ():
        at_work = is_at_work(path)
        patience = settings.upload_hours * 3600 if at_work is None else settings.reconcile_seconds
        if at_work or _is_young(path, patience):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        yield f"{path.name}: a copy that an interrupted intake left was removed"


def _is_young(path: Path, seconds: float) -> bool:
    """Whether it was modified in the last `seconds`. A modification time in the future comes from another clock; then
    the distance counts."""
    try:
        return abs(utc_now().timestamp() - path.lstat().st_mtime) < seconds
    except FileNotFoundError:
        return True
