"""Rows of `processed_messages`: what came from outside and was taken, so that it is taken once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CursorResult, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from video_assets.database.models import ProcessedMessageRow
from video_assets.database.upsert import table_of


def was_taken(session: Session, message_id: str) -> bool:
    """Whether it was taken before."""
    return session.get(ProcessedMessageRow, message_id) is not None


def take(session: Session, message_id: str, now: datetime) -> bool:
    """Notes, with the rest of the transaction, that it is taken; False where it was before. Of two who take it
    at once the second waits for the first, and gets False."""
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = make(table_of(ProcessedMessageRow)).values(message_id=message_id, processed_at=now)
    result = session.connection().execute(row.on_conflict_do_nothing(index_elements=["message_id"]))
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def forget(session: Session, message_id: str) -> None:
    """It was not taken after all."""
    session.execute(delete(ProcessedMessageRow).where(ProcessedMessageRow.message_id == message_id))
