"""Adds, changes and withdraws messages in the outbox, in the caller's transaction."""

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
    """Adds the messages that are not in the outbox yet, ordered by the time of their events; returns them. With
    `published` they are added as already sent: they were sent before the tables were lost and rebuilt."""
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
    """Replaces the payloads of messages that were not sent yet. Their places in the order stay."""
    rows = [{"id": e.id, "payload": dict(e.payload), "created_at": e.created_at} for e in events]
    update_all(session, OutboxRow, "id", rows)


def withdraw(session: Session, ids: Sequence[UUID]) -> None:
    """Removes unsent messages. One that was published in the meantime stays."""
    if ids:  # their places in the order go with them
        session.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids), OutboxRow.published.is_(False)))


def stored_outcomes(session: Session, video_ids: Sequence[int]) -> dict[int, list[StoredMessage]]:
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
