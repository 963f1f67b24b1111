"""Who may see a video: the row, its copy in storage, and the SQL that lists go by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, false, func, or_, select, true
from sqlalchemy.orm import Session

from video_assets.accounts.permissions import Owned, Sight, Visibility
from video_assets.database.models import AccessRow, VideoRow
from video_assets.storage import NotFound, Storage
from video_assets.videos import video_prefix


def owned(session: Session, video_id: int, default: Visibility) -> Owned | None:
    """What decides about a video; None where there is none."""
    return owned_of(session, [video_id], default).get(video_id)


def owned_of(session: Session, video_ids: Sequence[int], default: Visibility) -> dict[int, Owned]:
    """The same of several; without those that do not exist."""
    rows = session.execute(
        select(VideoRow.id, VideoRow.user_id, AccessRow.visibility)
        .outerjoin(AccessRow, AccessRow.video_id == VideoRow.id)
        .where(VideoRow.id.in_(video_ids))
    )
    return {
        video_id: Owned(video_id, user_id, Visibility(visibility) if visibility else default)
        for video_id, user_id, visibility in rows
    }


def seen(sight: Sight, default: Visibility) -> ColumnElement[bool]:
    """The condition on `videos`, outer joined with `video_access`, that keeps what this sight sees."""
    if sight.everything:
        return true()
    shown = [Visibility.PUBLIC, *([Visibility.MEMBERS] if sight.members else [])]
    found = func.coalesce(AccessRow.visibility, default.value).in_([each.value for each in shown])
    own = VideoRow.user_id == sight.user_id if sight.user_id is not None else false()
    shared = VideoRow.id == sight.shared_video if sight.shared_video is not None else false()
    return or_(found, own, shared)


def change(session: Session, video_id: int, visibility: Visibility, *, now: datetime) -> int | None:
    """Notes who may see the video from now on; returns the version of the change, None where the video is gone."""
    # The lock on the video's row gives each of two changes a version of its own.
    if session.get(VideoRow, video_id, with_for_update=True) is None:
        return None
    row = session.get(AccessRow, video_id)
    if row is None:
        row = AccessRow(video_id=video_id, visibility=visibility.value, version=1, changed_at=now)
        session.add(row)
    else:
        row.visibility, row.version, row.changed_at = visibility.value, row.version + 1, now
    session.flush()
    return row.version


def access_key(video_id: int) -> str:
    """The copy in storage. It outlives the tables, so that a rebuild opens no private video."""
    return f"{video_prefix(video_id)}access.json"


def store(storage: Storage, video_id: int, visibility: Visibility, version: int) -> None:
    """Writes the copy, unless a later version is there."""
    key, etag = access_key(video_id), None
    try:
        data, etag = storage.get_with_etag(key)
        if int(json.loads(data).get("version", 0)) >= version:
            return
    except (NotFound, ValueError, AttributeError, TypeError):
        pass
    storage.put_if(key, json.dumps({"visibility": visibility.value, "version": version}).encode(), etag)


def stored(storage: Storage, video_id: int) -> tuple[Visibility, int] | None:
    """Visibility and version as storage has them; None where it has none. One that cannot be read was something: it
    counts as private."""
    try:
        said = json.loads(storage.get_bytes(access_key(video_id)))
        return Visibility(said["visibility"]), int(said["version"])
    except NotFound:
        return None
    except (ValueError, KeyError, TypeError):
        return Visibility.PRIVATE, 1


def put_back(session: Session, video_id: int, found: tuple[Visibility, int], *, now: datetime) -> None:
    """Notes what storage has, unless the tables know something later. Nothing where the video is gone."""
    if session.get(VideoRow, video_id, with_for_update=True) is None:
        return
    row = session.get(AccessRow, video_id)
    if row is None:
        session.add(AccessRow(video_id=video_id, visibility=found[0].value, version=found[1], changed_at=now))
    elif row.version < found[1]:
        row.visibility, row.version, row.changed_at = found[0].value, found[1], now
