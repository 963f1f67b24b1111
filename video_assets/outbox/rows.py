"""Putting messages into the outbox, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video_assets.database.models import OutboxOrderRow, OutboxRow
from video_assets.database.upsert import insert_all, update_all
from video_assets.outbox.messages import FAILED, READY, OutboxEvent, StoredMessage

DEFAULT_SERVICE = "python-backend"


def add(session: Session, events: Iterable[OutboxEvent], *, service: str, published: bool = False) -> list[OutboxEvent]:
    """Adds those that are not there yet, in the order of what they tell of; returns them. `published`: they
    were told long ago (the tables are being rebuilt), so they are noted but not sent."""
    wanted = {event.id: event for event in events}
    if not wanted:
        return []
    there = set(session.scalars(select(OutboxRow.id).where(OutboxRow.id.in_(list(wanted)))))
    new = sorted((event for i, event in wanted.items() if i not in there), key=lambda event: event.place)
    insert_all(
        session,
        OutboxRow,
        [
            {
                "id": event.id,
                "topic": event.topic,
                "payload": dict(event.payload),
                "published": published,
                "attempts": 0,
                "service": service,
                "created_at": event.created_at,
                "published_at": event.created_at if published else None,
            }
            for event in new
        ],
    )
    insert_all(session, OutboxOrderRow, [{"event_id": event.id, "video_id": event.video_id} for event in new])
    return new


def replace(session: Session, events: Sequence[OutboxEvent]) -> None:
    """Messages that now say something else. Their place in the order stays."""
    rows = [{"id": e.id, "payload": dict(e.payload), "created_at": e.created_at} for e in events]
    update_all(session, OutboxRow, "id", rows)


def withdraw(session: Session, ids: Sequence[UUID]) -> None:
    """Takes messages back that were never sent. One that was sent a moment ago stays."""
    if ids:  # their places in the order go with them
        session.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids), OutboxRow.published.is_(False)))


def told_outcomes(session: Session, video_ids: Sequence[int]) -> dict[int, list[StoredMessage]]:
    """The video.ready and video.failed messages of these videos, by video."""
    found: dict[int, list[StoredMessage]] = {video_id: [] for video_id in video_ids}
    rows = session.execute(
        select(
            OutboxOrderRow.video_id,
            OutboxRow.id,
            OutboxRow.topic,
            OutboxRow.payload,
            OutboxRow.created_at,
            OutboxRow.published,
        )
        .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
        .where(OutboxOrderRow.video_id.in_(video_ids), OutboxRow.topic.in_((READY, FAILED)))
    )
    for video_id, identity, topic, payload, created_at, published in rows:
        found[video_id].append(StoredMessage(OutboxEvent(identity, topic, video_id, payload, created_at), published))
    return found
