"""The outbox as a queue: which messages to send next, and what became of each.

The order holds within a video. A parked message holds back the later ones of its own video and no others. One publisher
works at a time (`Database.only_one("outbox")`): two that skip each other's rows would break the order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, cast, func, literal, select, text, update
from sqlalchemy.orm import Session, aliased

from video_assets.database.models import OutboxOrderRow, OutboxRow
from video_assets.database.upsert import insert_all, table_of

NO_VIDEO = 0
"""The video id, in the order, of a message that names no video."""


class Outgoing(NamedTuple):
    """A message to publish, under the key `video_id`."""

    seq: int
    id: str
    """The UUID as text, which is how it is sent."""
    video_id: int
    topic: str
    body: str
    """The payload as JSON, exactly as in the table; it is sent unchanged."""
    attempts: int

    @property
    def payload(self) -> Any:
        """The payload, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Parked:
    """A parked message, and how many messages of its video wait behind it."""

    id: UUID
    video_id: int
    topic: str
    reason: str
    waiting: int


def without_place(session: Session, limit: int) -> list[tuple[UUID, Any]]:
    """Id and payload of unpublished messages that have no place in the order yet, because another service added them;
    oldest first."""
    rows = session.execute(
        select(OutboxRow.id, OutboxRow.payload)
        .outerjoin(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxRow.published.is_(False), OutboxOrderRow.seq.is_(None))
        .order_by(OutboxRow.created_at, OutboxRow.id)
        .limit(limit)
    )
    return [(identity, payload) for identity, payload in rows]


def give_places(session: Session, messages: Sequence[tuple[UUID, Any]]) -> None:
    """Puts messages at the end of the order. A message that names no video is parked, and holds back no other."""
    rows = []
    for identity, payload in messages:
        video_id = _video_of(payload)
        reason = None if video_id is not None else "its payload names no videoId"
        rows.append({"event_id": identity, "video_id": video_id or NO_VIDEO, "parked_reason": reason})
    insert_all(session, OutboxOrderRow, rows)


def _video_of(payload: Any) -> int | None:
    named = payload.get("videoId") if isinstance(payload, Mapping) else None
    number = str(named) if isinstance(named, int | str) and not isinstance(named, bool) else ""
    return int(number) if re.fullmatch(r"[1-9][0-9]{0,8}", number) else None


def batches(session: Session, limit: int, *, size: int, without: Collection[int] = ()) -> Iterator[list[Outgoing]]:
    """The next messages to send, at most `limit`, in order and in batches of `size`. Left out: parked messages, those
    that wait behind one, and those of the videos in `without`. All batches are of one query, so of one moment."""
    ahead, parked = aliased(OutboxOrderRow), aliased(OutboxRow)
    held = (
        select(ahead.seq)
        .join(parked, parked.id == ahead.event_id)
        .where(
            ahead.video_id == OutboxOrderRow.video_id,
            ahead.seq <= OutboxOrderRow.seq,
            ahead.parked_reason.is_not(None),
            parked.published.is_(False),
        )
        .exists()
    )
    connection = session.connection()
    on_postgres = connection.dialect.name == "postgresql"
    if on_postgres:
        connection.execute(text("SET LOCAL work_mem = '64MB'"))  # else Postgres sorts the payloads on disk
    rows = connection.execute(
        select(
            OutboxOrderRow.seq,
            cast(OutboxRow.id, Text) if on_postgres else OutboxRow.id,
            OutboxOrderRow.video_id,
            OutboxRow.topic,
            cast(OutboxRow.payload, Text),
            OutboxRow.attempts,
        )
        .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
        .where(OutboxRow.published.is_(False), ~held, OutboxOrderRow.video_id.not_in(without))
        .order_by(OutboxOrderRow.seq)
        .limit(limit)
    )
    # No server-side cursor: for a cursor Postgres plans as if only the first rows were read.
    for batch in rows.partitions(size):
        if on_postgres:
            yield [Outgoing._make(row) for row in batch]
        else:
            yield [Outgoing(seq, str(identity), *rest) for seq, identity, *rest in batch]


def is_drained(session: Session) -> bool:
    """Whether every message is published; a parked one is not."""
    return session.execute(select(OutboxRow.id).where(OutboxRow.published.is_(False)).limit(1)).first() is None


def mark_published(session: Session, ids: Sequence[str], now: datetime) -> None:
    """Marks acknowledged messages. The row of one that was withdrawn meanwhile is gone, which is no error."""
    if ids:
        table = table_of(OutboxRow)
        sent = {"published": True, "published_at": now, "attempts": table.c.attempts + 1}
        # Not through the session, whose bookkeeping of thousands of rows takes longer than the database. And Postgres
        # gets the ids as one array: with one parameter for each id the statement takes twice as long.
        connection = session.connection()
        among: ColumnElement[bool]
        if connection.dialect.name == "postgresql":
            among = table.c.id == any_(literal(ids, ARRAY(Text)).cast(ARRAY(Uuid)))
        else:
            among = table.c.id.in_([UUID(each) for each in ids])
        # `IS NOT TRUE`, because no index on `published` matches it: the index would be read from its start each time.
        connection.execute(update(table).where(among, table.c.published.is_not(True)).values(sent))


def refuse(session: Session, message: Outgoing, reason: str, *, max_attempts: int) -> None:
    """Counts a refusal of the message; at `max_attempts` the message is parked."""
    attempts = message.attempts + 1
    identity = UUID(message.id)
    session.execute(update(OutboxRow).where(OutboxRow.id == identity).values(attempts=attempts))
    if attempts >= max_attempts:
        park(session, identity, reason)


def park(session: Session, event_id: UUID, reason: str) -> None:
    """Sets a message aside that cannot be sent. The later ones of its video wait until it is released or given up."""
    session.execute(update(OutboxOrderRow).where(OutboxOrderRow.event_id == event_id).values(parked_reason=reason))


def release(session: Session, video_ids: Collection[int]) -> int:
    """Releases the parked messages of these videos, with their attempts counted from 0 again; returns how many."""
    chosen = (OutboxOrderRow.video_id.in_(video_ids), OutboxOrderRow.parked_reason.is_not(None))
    parked = list(session.execute(select(OutboxOrderRow.event_id).where(*chosen)).scalars())
    session.execute(update(OutboxRow).where(OutboxRow.id.in_(parked), ~OutboxRow.published).values(attempts=0))
    session.execute(update(OutboxOrderRow).where(*chosen).values(parked_reason=None))
    return len(parked)


def give_up(session: Session, video_ids: Collection[int]) -> int:
    """Gives up the parked messages of these videos, so that those behind them are sent; returns how many. They are
    marked as published, without a time, and keep the reason: a deleted row would be written again."""
    chosen = (OutboxOrderRow.video_id.in_(video_ids), OutboxOrderRow.parked_reason.is_not(None))
    parked = select(OutboxOrderRow.event_id).where(*chosen)
    given_up = update(OutboxRow).where(OutboxRow.id.in_(parked), ~OutboxRow.published).values(published=True)
    return int(getattr(session.execute(given_up), "rowcount", 0))


def parked_messages(session: Session) -> list[Parked]:
    """The parked messages, in order, for people to look at."""
    behind = aliased(OutboxOrderRow)
    waiting = (
        select(func.count())
        .select_from(behind)
        .where(behind.video_id == OutboxOrderRow.video_id, behind.video_id != NO_VIDEO, behind.seq > OutboxOrderRow.seq)
        .scalar_subquery()
    )
    rows = session.execute(
        select(OutboxRow.id, OutboxOrderRow.video_id, OutboxRow.topic, OutboxOrderRow.parked_reason, waiting)
        .join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
        .where(OutboxOrderRow.parked_reason.is_not(None), OutboxRow.published.is_(False))
        .order_by(OutboxOrderRow.seq)
    )
    return [Parked(*row) for row in rows]


def parked_count(session: Session) -> int:
    """How many messages are parked."""
    parked = select(func.count()).select_from(OutboxOrderRow).join(OutboxRow, OutboxRow.id == OutboxOrderRow.event_id)
    chosen = (OutboxOrderRow.parked_reason.is_not(None), OutboxRow.published.is_(False))
    return session.scalar(parked.where(*chosen)) or 0
