"""Edits a video: what is said of it, who sees it, its captions.

Storage first, then the rows: a run goes by storage. After an interruption the same edit can be made again. What was
made of the old words is stale then; the edit asks for a run, which makes just that again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy.orm import Session

from video_assets.accounts import visibility as access
from video_assets.accounts.permissions import Visibility
from video_assets.artifacts.captions import captions_key, current_captions, put_captions
from video_assets.artifacts.upload import put_upload_record, read_upload_record
from video_assets.database.models import UploadRecordRow, VideoRow
from video_assets.errors import PermanentError
from video_assets.intake.uploads import MAX_CAPTION_BYTES, clean_title
from video_assets.runs import launches
from video_assets.search import Access
from video_assets.storage import Conflict
from video_assets.systems import Systems
from video_assets.videos import VideoStatus

Note = Callable[[Session], None]
"""Writes into the transaction of the change who made it."""


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED
"""Instead of a description: None is one, the empty one."""


def describe(
    systems: Systems,
    video_id: int,
    *,
    title: str | None,
    description: str | _Unchanged | None,
    now: datetime,
    note: Note,
) -> None:
    """Gives the video another title or description. `title` None: it stays. PermanentError where the video is gone."""
    record = read_upload_record(systems.storage, video_id)
    changed = record.model_copy(
        update=({"title": clean_title(title)} if title else {})
        | ({} if isinstance(description, _Unchanged) else {"description": description})
    )
    if changed == record:
        return
    put_upload_record(systems.storage, changed)
    with systems.database.write() as session:
        row = session.get(VideoRow, video_id, with_for_update=True)
        if row is None:
            raise PermanentError(f"there is no video {video_id}; it may have been deleted")
        row.title, row.description, row.updated_at = changed.title, changed.description, now
        recorded = session.get(UploadRecordRow, video_id)
        if recorded is not None:
            recorded.title, recorded.description = changed.title, changed.description
        _ask_for_run(session, row, now)
        note(session)


def show_to(systems: Systems, video_id: int, visibility: Visibility, *, now: datetime, note: Note) -> None:
    """Changes who sees the video: in the tables at once, then in storage and in the index. `reconcile` finishes what
    did not get that far. PermanentError where the video is gone."""
    with systems.database.write() as session:
        version = access.change(session, video_id, visibility, now=now)
        if version is None:
            raise PermanentError(f"there is no video {video_id}; it may have been deleted")
        row = session.get(VideoRow, video_id)
        assert row is not None
        row.updated_at = now
        note(session)
    # The index before storage: what is private from now on shall be found by nobody.
    systems.search.set_access(video_id, Access(visibility.value, version))
    access.store(systems.storage, video_id, visibility, version)


@dataclass(frozen=True)
class CaptionsState:
    """The captions in force, and the ETag that a conditional change names."""

    name: str | None
    data: bytes
    etag: str | None
    """None where there are none."""


def captions(systems: Systems, video_id: int) -> CaptionsState:
    """The video's captions, as they were uploaded."""
    found = current_captions(systems.storage, video_id)
    if found is None:
        return CaptionsState(None, b"", None)
    return CaptionsState(found.name, systems.storage.get_bytes(found.key), f'"{found.sha256[:32]}"')


def set_captions(
    systems: Systems, video_id: int, data: bytes, name: str, *, now: datetime, note: Note, expected: str | None
) -> str:
    """Puts other captions in force; returns their ETag. `expected`: the ETag of those that they replace; None:
    whichever there are. Conflict where others were put there meanwhile, PermanentError where they are too long."""
    if len(data) > MAX_CAPTION_BYTES:
        raise PermanentError(f"captions may have {MAX_CAPTION_BYTES:,} bytes at most")
    _must_be(systems, video_id, expected)
    stored = put_captions(systems.storage, video_id, data, name)
    _note_captions(systems, video_id, stored.sha256, now=now, note=note)
    return f'"{stored.sha256[:32]}"'


def remove_captions(systems: Systems, video_id: int, *, now: datetime, note: Note, expected: str | None) -> bool:
    """Takes the captions out of force: the words come from recognition again. False where there are none."""
    if current_captions(systems.storage, video_id) is None:
        return False
    _must_be(systems, video_id, expected)
    systems.storage.delete(captions_key(video_id))
    _note_captions(systems, video_id, None, now=now, note=note)
    return True


def _must_be(systems: Systems, video_id: int, expected: str | None) -> None:
    if expected is not None and captions(systems, video_id).etag != expected:
        raise Conflict(captions_key(video_id))


def _note_captions(systems: Systems, video_id: int, sha256: str | None, *, now: datetime, note: Note) -> None:
    with systems.database.write() as session:
        row = session.get(VideoRow, video_id, with_for_update=True)
        if row is None:
            raise PermanentError(f"there is no video {video_id}; it may have been deleted")
        recorded = session.get(UploadRecordRow, video_id)
        if recorded is not None:
            recorded.captions_sha256 = sha256
        row.updated_at = now
        _ask_for_run(session, row, now)
        note(session)


def _ask_for_run(session: Session, row: VideoRow, now: datetime) -> None:
    """A video that is still on its way gets the new words by the run that it will have, or has; and one more, since
    that run may have read the old ones already."""
    if row.status != VideoStatus.UPLOADING.value:
        launches.request(session, row.id, reason="edited", now=now)
