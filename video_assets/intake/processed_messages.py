"""Rows of `processed_messages`: ids of messages and drops that were taken in, so that each is taken in once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CursorResult, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from video_assets.database.models import ProcessedMessageRow
from video_assets.database.upsert import table_of


def was_taken(session: Session, message_id: str) -> bool:
    """Whether the message was taken in before."""
    return session.get(ProcessedMessageRow, message_id) is not None


def take(session: Session, message_id: str, now: datetime) -> bool:
    """Records, in the caller's transaction, that the message is taken in; False where it was before. If two processes
    take it at the same time, the second waits for the first and gets False."""
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = make(table_of(ProcessedMessageRow)).values(message_id=message_id, processed_at=now)
    result = session.connection().execute(row.on_conflict_do_nothing(index_elements=["message_id"]))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def forget(session: Session, message_id: str) -> None:
    """Removes the record: the message was not taken in after all."""
    session.execute(delete(ProcessedMessageRow).where(ProcessedMessageRow.message_id == message_id))
