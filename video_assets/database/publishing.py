"""The outbox: messages in, in order; and out, marked once they are safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

from video_assets.database.models import OutboxOrderRow, OutboxRow
from video_assets.events.payloads import OutboxEvent


@dataclass(frozen=True)
class Outgoing:
    """A message to publish."""

    id: UUID
    seq: int
    topic: str
    video_id: int
    payload: Mapping[str, Any]


def add_events(session: Session, events: Iterable[OutboxEvent], *, service: str) -> None:
    """Puts messages into the outbox, in the order of what they tell of. None may be there already."""
    for event in sorted(events, key=lambda each: each.place):
        session.add(
            OutboxRow(
                id=event.id,
                topic=event.topic,
                payload=dict(event.payload),
                published=False,
                attempts=0,
                service=service,
                created_at=event.created_at,
            )
        )
        session.flush()  # the order's rows refer to these, and are numbered one by one
        session.add(OutboxOrderRow(event_id=event.id, video_id=event.video_id))
        session.flush()


def unpublished(session: Session, *, limit: int) -> list[Outgoing]:
    """The next messages to publish, in order. A parked one holds back its own video's later ones, nobody else's."""
    parked = aliased(OutboxOrderRow)
    held = exists().where(
        parked.video_id == OutboxOrderRow.video_id, parked.parked_reason.is_not(None), parked.seq <= OutboxOrderRow.seq
    )
    chosen = (
        select(OutboxRow.id, OutboxOrderRow.seq, OutboxRow.topic, OutboxOrderRow.video_id, OutboxRow.payload)
        .join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxRow.published.is_(False), ~held)
        .order_by(OutboxOrderRow.seq)
        .limit(limit)
    )
    return [Outgoing(*row) for row in session.execute(chosen)]


def mark_published(session: Session, ids: Sequence[UUID], *, now: datetime) -> None:
    """Marks messages that are safe on the other side."""
    done = {"published": True, "published_at": now, "attempts": OutboxRow.attempts + 1}
    session.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(done))


def park(session: Session, event_id: UUID, *, reason: str) -> None:
    """Sets a message aside that cannot be published, and with it what follows of its video."""
    session.execute(update(OutboxOrderRow).where(OutboxOrderRow.event_id == event_id).values(parked_reason=reason))


def waiting_for(session: Session, video_id: int) -> list[str]:
    """Topics of the video's messages that are not published yet, in order."""
    chosen = (
        select(OutboxRow.topic)
        .join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxOrderRow.video_id == video_id, OutboxRow.published.is_(False))
        .order_by(OutboxOrderRow.seq)
    )
    return list(session.scalars(chosen))
