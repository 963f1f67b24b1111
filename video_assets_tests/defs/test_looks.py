"""How often a sensor looks within one tick."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME

from video_assets.defs.sensors import build_sensors
from video_assets.defs.sensors.poll_within_tick import ROUND_SECONDS, looks
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.e2e.videos import add_video


class Clock:
    def __init__(self, look_seconds: float) -> None:
        self.now = 100.0
        self.look_seconds = look_seconds

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def begun(self, pause: float) -> list[float]:
        """When each look of a tick began, from the beginning of the tick, and when the tick ended."""
        times = []
        for _ in looks(pause, clock=self, sleep=self.sleep):
            times.append(round(self.now - 100, 3))
            self.now += self.look_seconds
        return [*times, round(self.now - 100, 3)]


def test_dagster_comes_round_as_often_as_we_say() -> None:
    assert ROUND_SECONDS == MIN_INTERVAL_LOOP_TIME


@pytest.mark.parametrize(
    ("pause", "look", "begun"),
    [
        (1, 0.01, [0, 1.01, 2.02, 3.03, 3.04]),
        (1, 0, [0, 1, 2, 3, 4, 4]),
        (2, 0.01, [0, 2.01, 2.02]),
        (1, 2.5, [0, 2.5]),
        (5, 0.01, [0, 0.01]),
        (60, 0.01, [0, 0.01]),
    ],
)
def test_a_tick_is_over_before_the_next_is_due(pause: float, look: float, begun: list[float]) -> None:
    """And between its last look and the next tick's first there is no more than another pause and a look."""
    assert Clock(look).begun(pause) == begun


def test_a_look_that_found_something_may_be_the_last() -> None:
    clock = Clock(0)
    for _ in looks(1, clock=clock, sleep=clock.sleep):
        break
    assert clock.now == 100


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("uploads_sensor", lambda answer, _: len(answer.run_requests) == 1),
        ("outbox_sensor", lambda answer, _: answer.skip_message.startswith("1 events")),
        ("status_sensor", lambda answer, cursor: answer.skip_message.startswith("1 events") and int(cursor) > 0),
    ],
)
def test_what_comes_during_a_tick_is_seen_by_the_same(settings: Settings, tmp_path: Path, name: str, seen: Any) -> None:
    systems = Systems(settings.model_copy(update={"sensor_seconds": 1}))
    systems.database.ensure_schema()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"whatever")
    sensor = next(each for each in build_sensors(systems) if each.name == name)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def come() -> None:
            video_id = add_video(systems, clip)
            made = dg.AssetMaterialization("uploads", partition=str(video_id))
            instance.report_runless_asset_event(made)

        context = dg.build_sensor_context(instance=instance)
        coming = threading.Timer(0.7, come)
        coming.start()
        answer: Any = sensor(context)
        coming.join()
        assert seen(answer, context.cursor), answer
