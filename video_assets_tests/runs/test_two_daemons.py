"""Two daemons over one database: what both do at the same time is done once, and in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import func, select, text

from video_assets.database import engine
from video_assets.database.engine import Database
from video_assets.database.models import LaunchRow, OutboxRow
from video_assets.errors import TransientError
from video_assets.outbox import publisher, queue
from video_assets.outbox.publisher import Publisher, drain
from video_assets.outbox.sending import Ours, Safe, Sending
from video_assets.runs import launches
from video_assets.runs.due import SENSOR, Launch, due
from video_assets.settings import Settings
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import at

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


def at_once(url: str, work: Sequence[Callable[[Database], object]]) -> list[Any]:
    """Does each with a database of its own, all from the same moment on; returns what each returned."""
    start = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)
    errors: list[BaseException] = []

    def go(number: int) -> None:
        database = Database(url)
        try:
            start.wait(timeout=30)
            results[number] = work[number](database)
        except BaseException as error:
            errors.append(error)
        finally:
            database.dispose()

    threads = [threading.Thread(target=go, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    return results


def decided_together(database: Database, url: str, now: datetime) -> list[list[Launch]]:
    """Two sensors that have both looked before either of them writes."""
    settings = Settings(max_concurrent_runs=50)
    with database.read() as session:
        waiting, live = launches.waiting_and_live(session, limit=1000)
    chosen = due(waiting, live, 50, now, settings)

    def record(mine: Database) -> list[Launch]:
        with mine.write() as session:
            return launches.record(session, chosen, claimed_by=SENSOR, now=now)

    return at_once(url, [record, record])


def test_two_sensors_request_each_video_once(database: Database, database_url: str) -> None:
    videos = rows.add_videos(database, 30)
    one, other = decided_together(database, database_url, at(5))
    assert sorted(launch.video_id for launch in (*one, *other)) == videos
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(LaunchRow)) == len(videos)


def test_two_sensors_ask_again_for_what_shows_no_run_once(database: Database, database_url: str) -> None:
    videos = rows.add_videos(database, 30)
    first = {launch.video_id: launch.run_key for launch in decided_together(database, database_url, at(5))[0]}
    one, other = decided_together(database, database_url, NOW)
    again = {launch.video_id: launch.run_key for launch in (*one, *other)}
    assert sorted(again) == videos
    assert len(one) + len(other) == len(videos)
    assert {video: key for video, key in again.items() if video in first} == first


def test_two_publishers_send_every_message_once_and_in_order(database: Database, database_url: str) -> None:
    videos = rows.add_videos(database, 40)
    sent: list[tuple[int, int]] = []
    at_work = threading.Lock()

    class Slow:
        def publish(self, batches: Iterable[Sequence[queue.Outgoing]], safe: Safe, ours: Ours) -> Sending:
            assert at_work.acquire(blocking=False), "two publishers at a time"
            try:
                for events in batches:
                    threading.Event().wait(0.05)
                    sent.extend((event.seq, event.video_id) for event in events)
                    safe([event.id for event in events])
            finally:
                at_work.release()
            return Sending()

        def ping(self) -> str:
            return "slow"

    def publish(mine: Database) -> int:
        return sum(drain(mine, Slow()) for _ in range(20))

    drained = at_once(database_url, [publish, publish, publish])
    assert sum(drained) == len(videos) == len(sent)
    assert [seq for seq, _ in sent] == sorted(seq for seq, _ in sent)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.published.is_(False))) == 0


def test_a_publisher_whose_lock_went_with_the_database_sends_nothing_more(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHECK_SECONDS", 0)
    monkeypatch.setattr(publisher, "BATCH", 10)
    first, second = Database(postgres_database), Database(postgres_database)
    first.ensure_schema()
    rows.add_videos(first, 40)
    sent: list[tuple[str, int]] = []

    class Sender:
        """Sends event by event; in the middle of it the database starts again, and the other daemon goes on."""

        def __init__(self, name: str) -> None:
            self.name = name

        def publish(self, batches: Iterable[Sequence[queue.Outgoing]], safe: Safe, ours: Ours) -> Sending:
            for event in chain.from_iterable(batches):
                ours()
                sent.append((self.name, event.seq))
                safe([event.id])
                if self.name == "first" and len(sent) == 15:
                    restarted(second)
                    go_on(second, Sender("second"))
            return Sending()

        def ping(self) -> str:
            return self.name

    with pytest.raises(TransientError):
        drain(first, Sender("first"))
    names = [name for name, _ in sent]
    assert names == sorted(names), "the first went on beside the second"
    assert names.count("first") == 15
    # What the second could not know of is sent again, then all the rest, in order.
    assert [seq for name, seq in sent if name == "second"][-25:] == sorted({seq for _, seq in sent})[-25:]
    for one in (first, second):
        assert drain(one, Sender("third")) == 0
        one.dispose()


def go_on(database: Database, sender: Publisher) -> None:
    """Drains once the server has let go of what the ended connections held, which on a busy machine takes a moment."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(TransientError):
            if drain(database, sender) > 0:
                return
        time.sleep(0.05)
    raise AssertionError("the database did not let go")


def restarted(database: Database) -> None:
    """Ends every other connection to the database, with the locks that hang on it, as its server's restart does."""
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with database.write() as session:
        session.execute(others)
