"""The heartbeat of a running asset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import ProgressRow
from video_assets.library import queries
from video_assets.runs import heartbeat
from video_assets.runs.heartbeat import ProgressHeartbeat
from video_assets.videos import Stage
from video_assets_tests.projection import rows


def row(database: Database) -> ProgressRow | None:
    with database.read() as session:
        return session.scalars(select(ProgressRow)).first()


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_beats_at_once_and_again_while_nothing_is_said(database: Database) -> None:
    heart = ProgressHeartbeat(database, heartbeat_seconds=0.05)
    heart.start(7, "run0", Stage.VARIANTS)
    until(lambda: row(database) is not None)
    first = row(database)
    assert first is not None
    assert (first.video_id, first.run_id, first.stage, first.fraction) == (7, "run0", "variants", 0.0)
    until(lambda: (now := row(database)) is not None and now.beat_at > first.beat_at)
    heart.stop()


def test_progress_is_written_before_the_next_beat_is_due(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "PROGRESS_SECONDS", 0.05)
    heart = ProgressHeartbeat(database, heartbeat_seconds=600)
    heart.start(7, "run0", Stage.VARIANTS)
    until(lambda: row(database) is not None)
    heart.progress(1.7, 2.5, 30)
    until(lambda: (now := row(database)) is not None and (now.fraction, now.speed) == (1.0, 2.5))
    heart.stop()


def test_progress_told_often_is_written_seldom(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[float] = []
    monkeypatch.setattr(heartbeat._Beat, "_write", lambda self, values: written.append(values["fraction"]))
    heart = ProgressHeartbeat(database, heartbeat_seconds=600)
    heart.start(7, "run0", Stage.VARIANTS)
    until(lambda: bool(written))
    for number in range(1000):
        heart.progress(number / 1000)
    heart.stop()
    assert len(written) <= 2


def test_a_stage_that_ends_beats_no_more_and_the_next_one_takes_the_row_over(database: Database) -> None:
    heart = ProgressHeartbeat(database, heartbeat_seconds=0.05)
    threads = threading.active_count()
    heart.start(7, "run0", Stage.VARIANTS)
    until(lambda: row(database) is not None)
    heart.start(7, "run0", Stage.TRANSCRIPTS)
    until(lambda: (now := row(database)) is not None and now.stage == "transcripts")
    heart.stop()
    heart.stop()
    heart.progress(0.5)
    assert threading.active_count() <= threads


def test_a_database_that_is_away_does_not_disturb_the_making() -> None:
    heart = ProgressHeartbeat(Database("postgresql://nobody@127.0.0.1:1/none"), heartbeat_seconds=0.05)
    heart.start(7, "run0", Stage.VARIANTS)
    heart.progress(0.5)
    heart.stop()


def test_rows_are_read_and_cleared(database: Database) -> None:
    now = utc_now()
    with database.write() as session:
        for name, age in (("old", 600), ("new", 1)):
            session.add(
                ProgressRow(
                    run_id=name,
                    video_id=7,
                    stage="variants",
                    fraction=0.5,
                    beat_at=now - timedelta(seconds=age),
                    pid=1,
                    host="h",
                )
            )
    with database.read() as session:
        assert set(queries.heartbeats(session, ["old", "new", "none"])) == {"old", "new"}
        assert queries.working(session, [7])[7].run_id == "new"
    with database.write() as session:
        heartbeat.clear_before(session, now - timedelta(seconds=60))
        assert set(queries.heartbeats(session, ["old", "new"])) == {"new"}
        heartbeat.clear(session, "new")
    assert row(database) is None
    assert rows.outbox(database) == []
