"""What tests put into the tables and read out of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import DeclarativeBase, Session

from video_assets.database.engine import Database
from video_assets.database.models import (
    ArtifactRow,
    AttemptRow,
    Base,
    OutboxOrderRow,
    OutboxRow,
    SummaryRow,
    TranscriptRow,
    UnappliedRow,
    VariantRow,
    VideoRow,
)
from video_assets.database.upsert import table_of
from video_assets.intake import upload_rows
from video_assets_tests.projection.histories import CREATED

SURROGATES = {"id", "seq"}
REBUILT: tuple[type[DeclarativeBase], ...] = (VideoRow, TranscriptRow, SummaryRow, VariantRow, ArtifactRow)
PROJECTED: tuple[type[DeclarativeBase], ...] = (*REBUILT, AttemptRow)


def add_videos(database: Database, count: int) -> list[int]:
    """Pending videos, uploaded at the moment before all histories."""
    with database.write() as session:
        return [_add(session, f"title {number}") for number in range(count)]


def _add(session: Session, title: str) -> int:
    video = upload_rows.add_video(session, title=title, now=CREATED)
    upload_rows.set_source(session, video.id, f"videos/{video.id}/source/original.mp4")
    upload_rows.mark_pending(session, video.id, now=CREATED)
    return video.id


def dump(database: Database, models: tuple[type[DeclarativeBase], ...], first: int = 1) -> dict[str, list[Any]]:
    """All rows of these tables, without surrogate ids, as sorted text; videos are counted from `first`."""
    found = {}
    with database.read() as session:
        for model in models:
            table = table_of(model)
            key = "id" if model is VideoRow else "video_id"
            rows = []
            for row in session.execute(select(table)):
                values = dict(row._mapping)
                if key in values:
                    values[key] -= first - 1
                rows.append(sorted((k, repr(v)) for k, v in values.items() if k == key or k not in SURROGATES))
            found[table.name] = sorted(rows)
    return found


def outbox(database: Database) -> list[tuple[int, str, str]]:
    """(video, topic, payload) of every message, in order."""
    with database.read() as session:
        rows = session.execute(
            select(OutboxOrderRow.video_id, OutboxRow.topic, OutboxRow.payload)
            .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
            .order_by(OutboxOrderRow.seq)
        )
        return [(video_id, topic, repr(sorted(payload.items()))) for video_id, topic, payload in rows]


def topics(database: Database, video_id: int) -> list[str]:
    """Topics of one video's messages, in order."""
    return [topic for video, topic, _ in outbox(database) if video == video_id]


def video(database: Database, video_id: int) -> VideoRow:
    """The row."""
    with database.read() as session:
        return session.get_one(VideoRow, video_id)


def unapplied(database: Database) -> list[UnappliedRow]:
    """Noted events by storage id."""
    with database.read() as session:
        return list(session.scalars(select(UnappliedRow).order_by(UnappliedRow.storage_id)))


def wipe(database: Database, models: tuple[type[DeclarativeBase], ...] = ()) -> None:
    """Empties these tables, or all."""
    tables = [table_of(model) for model in models] or list(Base.metadata.sorted_tables)
    with database.write() as session:
        for table in reversed(tables):
            session.execute(delete(table))
