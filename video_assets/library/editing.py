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
from video_assets.artifacts.upload import read_upload_record_with_etag, replace_upload_record
from video_assets.database.models import UploadRecordRow, VideoRow
from video_assets.errors import BadInput, NoSuchVideo
from video_assets.intake.uploads import MAX_CAPTION_BYTES, clean_title
from video_assets.runs import launches
from video_assets.search import Access
from video_assets.storage import Conflict
from video_assets.systems import Systems
from video_assets.videos import VideoStatus

_TRIES = 5
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
    """Gives the video another title or description. `title` None: it stays. NoSuchVideo where it is gone."""
    changes: dict[str, str | None] = {"title": clean_title(title)} if title else {}
    if not isinstance(description, _Unchanged):
        changes["description"] = description
    _change_record(systems, video_id, changes)
    with systems.database.write() as session:
        row = session.get(VideoRow, video_id, with_for_update=True)
        if row is None:
            raise NoSuchVideo(video_id)
        if all(getattr(row, name) == value for name, value in changes.items()):
            return  # nothing to make again, and nothing to note
        # Of two who change different things at once both are kept: only what was given is written.
        for target in (row, session.get(UploadRecordRow, video_id)):
            for name, value in changes.items() if target is not None else ():
                setattr(target, name, value)
        row.updated_at = now
        _ask_for_run(session, row, now)
        note(session)


def _change_record(systems: Systems, video_id: int, changes: dict[str, str | None]) -> None:
    """Changes the record in storage; nothing while the upload is under way: there is none, and `complete` writes it
    from the row. Conflict where others change it all the time."""
    with systems.database.read() as session:
        row = session.get(VideoRow, video_id)
    if row is None:
        raise NoSuchVideo(video_id)
    if row.status == VideoStatus.UPLOADING.value:
        return
    for attempt in range(_TRIES):
        try:
            record, etag = read_upload_record_with_etag(systems.storage, video_id)
            changed = record.model_copy(update=changes)
            if changed != record:
                replace_upload_record(systems.storage, changed, etag)
            return
        except Conflict:
            if attempt == _TRIES - 1:
                raise


def show_to(systems: Systems, video_id: int, visibility: Visibility, *, now: datetime, note: Note) -> None:
    """Changes who sees the video: in the tables at once, then in storage and in the index. `reconcile` finishes what
    did not get that far. NoSuchVideo where it is gone."""
    with systems.database.write() as session:
        version = access.change(session, video_id, visibility, now=now)
        if version is None:
            raise NoSuchVideo(video_id)
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
    whichever there are. Conflict where others were put there meanwhile, BadInput where they are too long."""
    if len(data) > MAX_CAPTION_BYTES:
        raise BadInput(f"captions may have {MAX_CAPTION_BYTES:,} bytes at most")
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
            raise NoSuchVideo(video_id)
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
