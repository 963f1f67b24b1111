"""The outbox's way out: from the table to where other services read, in order, at least once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from video_assets.database import publishing
from video_assets.database.engine import Database
from video_assets.errors import PermanentError
from video_assets.settings import Settings
from video_assets.videos import utc_now

BATCH = 500


class Publisher(Protocol):
    """Where events go."""

    def publish(self, events: Sequence[publishing.Outgoing]) -> None:
        """Hands the events over, in this order, and returns once they are safe."""


class JsonLinesPublisher:
    """Appends each event to a file as one line of JSON: the embedded stand-in for topics."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def publish(self, events: Sequence[publishing.Outgoing]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for event in events:
                file.write(json.dumps(_line(event), ensure_ascii=False) + "\n")


def open_publisher(settings: Settings) -> Publisher:
    """The publisher of these settings."""
    if settings.kafka_bootstrap_servers:
        raise PermanentError("VIDEO_ASSETS_KAFKA_BOOTSTRAP_SERVERS: Kafka is not supported by this release; unset it")
    return JsonLinesPublisher(settings.home / "events.jsonl")


def drain(database: Database, publisher: Publisher, *, clock: Callable[[], datetime] = utc_now) -> int:
    """Publishes everything waiting, in order, and marks it; returns how many events that were. One
    publisher at a time: whoever finds another at it leaves it to that one and returns 0."""
    drained = 0
    with database.only_one("outbox") as mine:
        while mine:
            with database.read() as session:
                waiting = publishing.unpublished(session, limit=BATCH)
            if not waiting:
                break
            publisher.publish(waiting)
            # Marked only now: a crash in between publishes again, it never loses.
            with database.write() as session:
                publishing.mark_published(session, [event.id for event in waiting], now=clock())
            drained += len(waiting)
    return drained


def _line(event: publishing.Outgoing) -> Mapping[str, Any]:
    return {"topic": event.topic, "key": str(event.video_id), "payload": event.payload}
