"""Which runs are taken for dead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from video_assets.runs.liveness import RunSeen, Silences, Verdict, dead_runs
from video_assets.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SETTINGS = Settings(worker_lost_seconds=60, start_timeout_seconds=180)


def judged(runs: list[RunSeen], beats: dict[str, datetime]) -> list[Verdict]:
    """By one look."""
    return dead_runs(runs, beats, Silences().seconds(runs, beats, NOW), SETTINGS)


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
        ("created", 19, None, None),
        ("created", 21, None, "launch_lost"),  # who created it was killed before it came into the queue
    ],
)
def test_a_run_is_dead_once_it_is_silent_for_too_long(
    state: str, since: int, beat: int | None, verdict: str | None
) -> None:
    beats = {} if beat is None else {"r": NOW - timedelta(seconds=beat)}
    found = judged([RunSeen("r", state, NOW - timedelta(seconds=since))], beats)
    assert [each.kind for each in found] == ([verdict] if verdict else [])
    assert all("\n" not in each.message for each in found)


def test_each_run_is_judged_by_its_own_heartbeat() -> None:
    runs = [RunSeen(name, "started", NOW - timedelta(seconds=600)) for name in ("a", "b")]
    beats = {"a": NOW - timedelta(seconds=5), "b": NOW - timedelta(seconds=300)}
    assert [verdict.run_id for verdict in judged(runs, beats)] == ["b"]


class Looks:
    """One who looks again and again, with clocks of his own."""

    def __init__(self) -> None:
        self.steady = 1_000.0
        self.silences = Silences(lambda: self.steady)

    def look(self, run: RunSeen, beat: datetime | None, now: datetime, *, later: float = 0.0) -> list[str]:
        """The kinds of verdict, `later` seconds after the look before."""
        self.steady += later
        beats = {} if beat is None else {run.run_id: beat}
        silent = self.silences.seconds([run], beats, now)
        return [verdict.kind for verdict in dead_runs([run], beats, silent, SETTINGS)]


def test_a_run_whose_last_beat_lies_in_the_future_is_found_within_its_time() -> None:
    """The clock was two hours ahead when it beat, and the worker died with it."""
    looks, beat = Looks(), NOW + timedelta(hours=2)
    run = RunSeen("r", "started", beat)
    assert looks.look(run, beat, NOW) == []
    assert looks.look(run, beat, NOW + timedelta(seconds=59), later=59) == []
    assert looks.look(run, beat, NOW + timedelta(seconds=61), later=2) == ["worker_lost"]


def test_a_clock_that_is_set_forward_takes_no_healthy_run_for_dead() -> None:
    looks, run = Looks(), RunSeen("r", "started", NOW)
    assert looks.look(run, NOW, NOW) == []
    assert looks.look(run, NOW, NOW + timedelta(hours=2), later=5) == []
    assert looks.look(run, NOW + timedelta(hours=2), NOW + timedelta(hours=2), later=30) == []
    assert looks.look(run, NOW + timedelta(hours=2), NOW + timedelta(hours=2, minutes=1), later=59) == []


def test_a_clock_that_is_set_back_leaves_a_beating_run_alone_and_a_dead_one_not() -> None:
    looks, run = Looks(), RunSeen("r", "started", NOW)
    back = NOW - timedelta(hours=2)
    assert looks.look(run, NOW, NOW) == []
    for beats in range(1, 12):
        assert looks.look(run, back + timedelta(seconds=10 * beats), back, later=10) == []
    last = back + timedelta(seconds=110)
    assert looks.look(run, last, back, later=61) == ["worker_lost"]


def test_who_has_just_begun_to_look_goes_by_the_clock() -> None:
    assert Looks().look(RunSeen("r", "started", NOW - timedelta(hours=1)), NOW - timedelta(seconds=61), NOW) == [
        "worker_lost"
    ]


def test_runs_that_ended_are_forgotten() -> None:
    silences = Silences()
    silences.seconds([RunSeen(str(number), "started", NOW) for number in range(100)], {}, NOW)
    assert silences.seconds([], {}, NOW) == {}
    assert not silences._last
