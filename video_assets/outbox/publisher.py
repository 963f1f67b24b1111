"""Publishes the outbox: from the table to Kafka or a file, in order per video, at least once.

Sending and marking run in parallel: events are marked as published in the database while later ones are sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.errors import TransientError, one_line
from video_assets.outbox import queue
from video_assets.outbox.sending import Ours, Safe, Sending
from video_assets.settings import Settings

AT_ONCE = 10_000
"""The most events that one query of the outbox returns. Events that are added meanwhile come with the next query."""
BATCH = 1_000
"""Events that are read and marked at a time."""


class Publisher(Protocol):
    """Sends events to other services."""

    def publish(self, batches: Iterable[Sequence[queue.Outgoing]], safe: Safe, ours: Ours) -> Sending:
        """Sends the events, each video's in this order. Returns once each is safe (acknowledged, or on disk), refused,
        or not to be sent by us any more. Calls `safe` now and then with the ids that became safe, each id once; calls
        `ours` before it sends more."""

    def ping(self) -> str:
        """What the events are sent to, in one line. TransientError where nothing answers."""


class JsonLinesPublisher:
    """Appends each event to a file, as one line of JSON: the embedded profile's replacement of Kafka."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def publish(self, batches: Iterable[Sequence[queue.Outgoing]], safe: Safe, ours: Ours) -> Sending:
        for events in batches:
            ours()
            lines = "".join(json.dumps(_line(event), ensure_ascii=False) + "\n" for event in events)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._append(lines.encode())
            except OSError as error:
                # None of this batch is marked, so all of it is sent again.
                return Sending(trouble=one_line(f"{self.path}: {error.strerror or error}; events wait in the outbox"))
            safe([event.id for event in events])
        return Sending()

    def _append(self, lines: bytes) -> None:
        """Adds whole lines, which are on disk when this returns. First it cuts off half a line that a full disk or a
        power cut left: the next line would be glued to it, and readers could parse neither."""
        with self.path.open("ab+") as file:
            file.truncate(_end_of_last_line(file))
            begun = file.seek(0, os.SEEK_END)
            try:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(begun)
                raise

    def ping(self) -> str:
        return f"events go to {self.path}"


def open_publisher(settings: Settings) -> Publisher:
    """The publisher of these settings. It connects on first use."""
    if not settings.kafka_bootstrap_servers:
        return JsonLinesPublisher(settings.home / "events.jsonl")
    from video_assets.outbox.kafka import KafkaPublisher  # most processes publish nothing

    return KafkaPublisher(settings)


def drain(
    database: Database, publisher: Publisher, *, max_attempts: int = 5, clock: Callable[[], datetime] = utc_now
) -> int:
    """Publishes all waiting events, in order per video, and marks them; returns how many were published. An event that
    is refused `max_attempts` times is parked. One publisher works at a time: returns 0 where another one does. Raises
    TransientError, after marking what was sent, where the broker is away, or where the lock was lost because the
    database restarted; the next publisher then sends the rest."""
    drained = 0
    held: set[int] = set()
    with database.only_one("outbox") as mine:
        while mine:
            mine.check()
            with database.read() as session, _Marking(database, clock) as marking:
                batches = queue.batches(session, AT_ONCE, size=BATCH, without=held)
                first = next(batches, None)
                waiting = chain([first], batches) if first else ()
                sending = publisher.publish(waiting, marking.safe, mine.check) if first else Sending()
            drained += marking.marked
            if sending.refused:
                with database.write() as session:
                    for event, reason in sending.refused.items():
                        queue.refuse(session, event, reason, max_attempts=max_attempts)
                held |= {event.video_id for event in sending.refused}
            if sending.trouble:
                raise TransientError(sending.trouble)
            if not first and not _give_places(database):
                break
            with database.read() as session:
                if queue.is_drained(session):
                    break
    return drained


class _Marking:
    """Marks events as published, in a separate thread. Leaving the block waits until all are marked."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.marked = 0
        self._database = database
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._submitted: list[Future[None]] = []

    def __enter__(self) -> _Marking:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()
        self._raise_failure()

    def safe(self, ids: Sequence[str]) -> None:
        """Marks these events. Only after they are safe: a crash in between publishes them again and loses none."""
        self._raise_failure()  # no use in marking more when marking fails
        self._submitted.append(self._thread.submit(self._mark, ids))

    def _mark(self, ids: Sequence[str]) -> None:
        with self._database.write() as session:
            queue.mark_published(session, ids, now=self._clock())
        self.marked += len(ids)

    def _raise_failure(self) -> None:
        for each in self._submitted:
            if each.done():
                each.result()


def _give_places(database: Database) -> bool:
    """Gives a place in the order to rows that another service put into the outbox, behind all others, so that they are
    published too. Returns whether there were any."""
    with database.read() as session:
        if not queue.without_place(session, limit=1):
            return False
    with database.write() as session:
        queue.give_places(session, queue.without_place(session, limit=AT_ONCE))
    return True


def _end_of_last_line(file: BinaryIO) -> int:
    """The position behind the last newline; 0 where there is none."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(end - 65536, 0)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _line(event: queue.Outgoing) -> Mapping[str, Any]:
    return {"topic": event.topic, "key": str(event.video_id), "payload": event.payload}
