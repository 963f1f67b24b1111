"""Deletes a video's rows, in one transaction with the message `video.deleted`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video_assets.database.models import DeletedVideoRow, ProgressRow, VideoRow
from video_assets.outbox import messages, rows
from video_assets.videos import Video


def is_known(session: Session, video_id: int) -> bool:
    """Whether there is a video with this id, or a deleted one."""
    return session.get(VideoRow, video_id) is not None or session.get(DeletedVideoRow, video_id) is not None


def delete_video(
    session: Session, video_id: int, now: datetime, *, service: str = rows.DEFAULT_SERVICE
) -> Video | None:
    """Deletes the video's row and all rows that refer to it; returns the video, None where there is none. From then on
    the projection drops events about it."""
    row = session.get(VideoRow, video_id, with_for_update=True)
    if row is None:
        return None
    gone = Video(row.id, row.key, row.title, row.description, row.user_id, row.user_name, row.created_at)
    # By the database's cascade, which also deletes rows that the session has not loaded.
    session.execute(delete(VideoRow).where(VideoRow.id == video_id))
    session.execute(delete(ProgressRow).where(ProgressRow.video_id == video_id))
    session.add(DeletedVideoRow(video_id=video_id, title=gone.title, deleted_at=now))
    session.flush()
    rows.add(session, [messages.deleted(video_id, at=now)], service=service)
    return gone


def deleted_since(session: Session, moment: datetime) -> list[int]:
    """Ids of videos that were deleted at or after this time, ascending."""
    query = select(DeletedVideoRow.video_id).where(DeletedVideoRow.deleted_at >= moment)
    return list(session.scalars(query.order_by(DeletedVideoRow.video_id)))
