"""The outbox's way out: from the table to where other services read, in order, at least once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from video_assets.database import publishing
from video_assets.database.engine import Database
from video_assets.errors import TransientError
from video_assets.events.sending import Sending
from video_assets.settings import Settings
from video_assets.videos import utc_now

BATCH = 10_000
"""Events read and marked at a time."""


class Publisher(Protocol):
    """Where events go."""

    def publish(self, events: Sequence[publishing.Outgoing]) -> Sending:
        """Hands the events over, each video's in this order, and returns once they are safe, or known not to be."""

    def ping(self) -> str:
        """What is there, in a line; raises TransientError where nothing answers."""


class JsonLinesPublisher:
    """Appends each event to a file as one line of JSON: the embedded stand-in for topics."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def publish(self, events: Sequence[publishing.Outgoing]) -> Sending:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for event in events:
                file.write(json.dumps(_line(event), ensure_ascii=False) + "\n")
        return Sending(delivered=[event.id for event in events])

    def ping(self) -> str:
        return f"events go to {self.path}"


def open_publisher(settings: Settings) -> Publisher:
    """The publisher of these settings. It connects on first use."""
    if not settings.kafka_bootstrap_servers:
        return JsonLinesPublisher(settings.home / "events.jsonl")
    from video_assets.events.kafka import KafkaPublisher  # most processes publish nothing

    return KafkaPublisher(settings)


def drain(
    database: Database, publisher: Publisher, *, max_attempts: int = 5, clock: Callable[[], datetime] = utc_now
) -> int:
    """Publishes everything waiting, in order, and marks it; returns how many events that were. One that is
    refused `max_attempts` times is parked. One publisher at a time: whoever finds another at it leaves it to
    that one and returns 0. Raises TransientError, after marking what was sent, where the way out is blocked."""
    drained = 0
    held: set[int] = set()
    with database.only_one("outbox") as mine:
        while mine:
            _give_places(database)
            with database.read() as session:
                waiting = publishing.unpublished(session, limit=BATCH, without=held)
            if not waiting:
                break
            sending = publisher.publish(waiting)
            # Marked only now: a crash in between publishes again, it never loses.
            with database.write() as session:
                publishing.mark_published(session, sending.delivered, now=clock())
                for event in waiting:
                    if reason := sending.refused.get(event.id):
                        publishing.refuse(session, event, reason, max_attempts=max_attempts)
                        held.add(event.video_id)
            drained += len(sending.delivered)
            if sending.trouble:
                raise TransientError(sending.trouble)
    return drained


def _give_places(database: Database) -> None:
    """Rows that another service has put into the outbox are published too, after what was there before them."""
    with database.read() as session:
        if not publishing.without_place(session, limit=1):
            return
    with database.write() as session:
        publishing.give_places(session, publishing.without_place(session, limit=BATCH))


def _line(event: publishing.Outgoing) -> Mapping[str, Any]:
    return {"topic": event.topic, "key": str(event.video_id), "payload": event.payload}
