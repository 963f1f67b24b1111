"""The outbox as its publisher sees it: what to send next, and what became of it.

Order holds within a video. A parked message holds back its own video's later ones, never another's. There is
to be one publisher at a time (`Database.only_one("outbox")`): two that skip each other's rows break order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from video_assets.database.models import OutboxOrderRow, OutboxRow


@dataclass(frozen=True)
class Outgoing:
    """A message to publish, under the key `video_id`."""

    seq: int
    id: UUID
    video_id: int
    topic: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime


@dataclass(frozen=True)
class Parked:
    """A message that was set aside, and how many of its video wait behind it."""

    id: UUID
    video_id: int
    topic: str
    reason: str
    waiting: int


def unpublished(session: Session, limit: int) -> list[Outgoing]:
    """What to send next, in order, without what is parked or waits behind something parked."""
    ahead, parked = aliased(OutboxOrderRow), aliased(OutboxRow)
    held = (
        select(ahead.seq)
        .join(parked, parked.id == ahead.event_id)
        .where(
            ahead.video_id == OutboxOrderRow.video_id, ahead.seq <= OutboxOrderRow.seq,
            ahead.parked_reason.is_not(None), parked.published.is_(False),
        )
        .exists()
    )  # fmt: skip
    rows = session.execute(
        select(
            OutboxOrderRow.seq, OutboxRow.id, OutboxOrderRow.video_id, OutboxRow.topic, OutboxRow.payload,
            OutboxRow.attempts, OutboxRow.created_at,
        )
        .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
        .where(OutboxRow.published.is_(False), ~held)
        .order_by(OutboxOrderRow.seq)
        .limit(limit)
    )  # fmt: skip
    return [Outgoing(*row) for row in rows]


def mark_published(session: Session, ids: Sequence[UUID], now: datetime) -> None:
    """They were sent and acknowledged. One that was withdrawn meanwhile is no more: it was sent, that is all."""
    if ids:
        sent = {"published": True, "published_at": now, "attempts": OutboxRow.attempts + 1}
        session.execute(update(OutboxRow).where(OutboxRow.id.in_(ids), OutboxRow.published.is_(False)).values(sent))


def count_attempt(session: Session, ids: Sequence[UUID]) -> None:
    """They could not be sent this time."""
    if ids:
        session.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(attempts=OutboxRow.attempts + 1))


def park(session: Session, event_id: UUID, reason: str) -> None:
    """Sets a message aside that cannot be sent as it is; its video's later ones wait until it is released."""
    session.execute(update(OutboxOrderRow).where(OutboxOrderRow.event_id == event_id).values(parked_reason=reason))


def release(session: Session, video_id: int) -> int:
    """Lets a video's parked messages go again; returns how many."""
    parked = list(
        session.scalars(
            select(OutboxOrderRow).where(OutboxOrderRow.video_id == video_id, OutboxOrderRow.parked_reason.is_not(None))
        )
    )
    for row in parked:
        row.parked_reason = None
    return len(parked)


def parked_messages(session: Session) -> list[Parked]:
    """What is set aside, for people to look at."""
    behind = aliased(OutboxOrderRow)
    waiting = (
        select(func.count())
        .select_from(behind)
        .where(behind.video_id == OutboxOrderRow.video_id, behind.seq > OutboxOrderRow.seq)
        .scalar_subquery()
    )
    rows = session.execute(
        select(OutboxRow.id, OutboxOrderRow.video_id, OutboxRow.topic, OutboxOrderRow.parked_reason, waiting)
        .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
        .where(OutboxOrderRow.parked_reason.is_not(None), OutboxRow.published.is_(False))
        .order_by(OutboxOrderRow.seq)
    )
    return [Parked(*row) for row in rows]
