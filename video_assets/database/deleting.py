"""Deletion's rows: a video's own go, and one stays that says it is gone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video_assets.database import publishing
from video_assets.database.models import DeletedVideoRow, OutboxRow, VideoRow
from video_assets.events import payloads


def is_known(session: Session, video_id: int) -> bool:
    """Whether there is, or was, such a video."""
    return session.get(VideoRow, video_id) is not None or session.get(DeletedVideoRow, video_id) is not None


def delete_video(session: Session, video_id: int, *, now: datetime, service: str) -> None:
    """Removes the video's rows and tells other services, in this one transaction. Done twice, it is done once."""
    row = session.get(VideoRow, video_id)
    if session.get(DeletedVideoRow, video_id) is None:
        session.add(DeletedVideoRow(video_id=video_id, title=row.title if row else None, deleted_at=now))
    event = payloads.deleted(video_id, at=now)
    if session.get(OutboxRow, event.id) is None:
        publishing.add_events(session, [event], service=service)
    session.execute(delete(VideoRow).where(VideoRow.id == video_id))


def deleted_since(session: Session, moment: datetime) -> list[int]:
    """Videos deleted after `moment`."""
    return list(session.scalars(select(DeletedVideoRow.video_id).where(DeletedVideoRow.deleted_at >= moment)))
