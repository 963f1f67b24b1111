"""Which runs are taken for dead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from video_assets.lifecycle.dead import RunSeen, dead_runs
from video_assets.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SETTINGS = Settings(worker_lost_seconds=60, start_timeout_seconds=180)


@pytest.mark.parametrize(
    ("state", "since", "beat", "verdict"),
    [
        ("started", 600, 59, None),
        ("started", 600, 61, "worker_lost"),
        ("started", 600, None, "launch_lost"),
        ("started", 100, None, None),  # importing, or waiting for its first stage
        ("started", 30, 500, None),  # the state has only just changed
        ("starting", 170, None, None),
        ("starting", 181, None, "launch_lost"),
        ("starting", 600, 10, None),  # it works, though nobody said that it started
        ("starting", 600, 61, "worker_lost"),
        ("canceling", 600, 10, None),
        ("canceling", 600, 61, "canceled"),
        ("canceling", 61, None, "canceled"),
        ("canceling", 59, None, None),
    ],
)
def test_a_run_is_dead_once_it_is_silent_for_too_long(
    state: str, since: int, beat: int | None, verdict: str | None
) -> None:
    beats = {} if beat is None else {"r": NOW - timedelta(seconds=beat)}
    found = dead_runs([RunSeen("r", state, NOW - timedelta(seconds=since))], beats, NOW, SETTINGS)
    assert [each.kind for each in found] == ([verdict] if verdict else [])
    assert all("\n" not in each.message for each in found)


def test_each_run_is_judged_by_its_own_heartbeat() -> None:
    runs = [RunSeen(name, "started", NOW - timedelta(seconds=600)) for name in ("a", "b")]
    beats = {"a": NOW - timedelta(seconds=5), "b": NOW - timedelta(seconds=300)}
    assert [verdict.run_id for verdict in dead_runs(runs, beats, NOW, SETTINGS)] == ["b"]
