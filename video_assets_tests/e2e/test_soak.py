"""Hours of bad luck: everything is killed again and again, the disk fills, the clock jumps; and nothing is lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from video_assets.systems import Systems
from video_assets_tests.e2e import soak
from video_assets_tests.e2e.conftest import CAPTIONS, house_settings
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.media.clips import make_clip

pytestmark = pytest.mark.e2e

SHORT = (12, 90.0)
LONG = (300, 1_200.0)
"""Clips, and seconds of trouble."""
KILL_SECONDS = (3.0, 12.0)
"""Between two kills: starting anew takes longer than the shorter, and on a busy machine than the longer too."""


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """One that takes some seconds to encode, so that it is caught in the act."""
    return make_clip(tmp_path / "long.mp4", seconds=12, size=(1280, 720), captions=CAPTIONS)


@pytest.fixture
def clock(tmp_path: Path) -> soak.Clock:
    if not soak.may_mount():
        reason = "filling a disk takes root, mount and a C compiler"
        (pytest.fail if os.environ.get("REQUIRE_SERVICES") else pytest.skip)(reason)
    return soak.Clock(tmp_path)


@pytest.mark.timeout(600)
def test_a_clock_that_is_set_costs_seconds(tmp_path: Path, clip: Path, clock: soak.Clock) -> None:
    """Two hours ahead at first, then right, then an hour behind, then right again: nothing stands still."""
    settings = house_settings(tmp_path / "home", ladder="240")
    up, systems = soak.Up(settings, clock.environment, tmp_path / "up.log"), Systems(settings)
    up.start()
    try:
        for number, ahead in enumerate((7200, 0, -3600, 0), start=1):
            clock.set_ahead(ahead)
            soak.feed(settings.inbox_folder, clip, number)
            soak.wait_for_all(systems, up, number, 90)
        assert up.starts == 1
        assert all(soak.in_order(topics) for topics in _told_of(up, 4).values())
        assert up.stop() in (0, 130)
    finally:
        for process in up.family():
            process.kill()
        systems.close()


@pytest.mark.timeout(900)
def test_minutes_of_trouble_lose_nothing(tmp_path: Path, long_clip: Path, clock: soak.Clock) -> None:
    _soak(tmp_path, long_clip, clock, *SHORT, seed=int(os.environ.get("SOAK_SEED", "1")))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_hundreds_of_videos_in_trouble_lose_nothing(tmp_path: Path, clip: Path, clock: soak.Clock) -> None:
    _soak(tmp_path, clip, clock, *LONG, seed=int(os.environ.get("SOAK_SEED", "2")))


def _soak(tmp_path: Path, clip: Path, clock: soak.Clock, clips: int, seconds: float, *, seed: int) -> None:
    with soak.small_disk(tmp_path / "disk", 400 + 8 * clips) as disk:
        # Whoever is killed every few seconds loses more workers than anybody else.
        settings = house_settings(disk / "home", ladder="360,240", max_lost_workers=1_000, inbox_settle_seconds=0.5)
        up = soak.Up(settings, clock.environment, tmp_path / "up.log")
        systems = Systems(settings)
        try:
            _trouble(up, clock, disk, clip, clips, seconds, seed)
            soak.wait_for_all(systems, up, clips, 120 + 12 * clips)
            _look(up, systems, clips)
        finally:
            family = up.family()
            for process in family:
                if process.is_running():
                    process.kill()
            systems.close()


def _trouble(up: soak.Up, clock: soak.Clock, disk: Path, clip: Path, clips: int, seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    killer = soak.Killer(up, chance)
    up.start()
    begun, fed = time.monotonic(), 0
    feed, kill = soak.every(0.7 * seconds / clips), soak.at_times(lambda: chance.uniform(*KILL_SECONDS))
    disks, jumps = [0.3 * seconds, 0.6 * seconds], [0.2 * seconds, 0.45 * seconds, 0.75 * seconds]
    while (passed := time.monotonic() - begun) < seconds or fed < clips:
        up.keep()
        if fed < clips and feed():
            soak.feed(up.settings.inbox_folder, clip, fed)
            fed += 1
        if passed < seconds and kill():
            killer.kill()
        if disks and passed > disks[0]:
            disks.pop(0)
            with soak.full(disk):
                time.sleep(8)  # long enough for whatever is being written to meet it
        if jumps and passed > jumps[0]:
            jumps.pop(0)
            clock.set_ahead(chance.choice([7200, 3600, -3600]) if jumps else 0)
        time.sleep(0.1)
    clock.set_ahead(0)
    print(f"seed {seed}: killed {dict(killer.killed)}, up started {up.starts} times")


def _look(up: soak.Up, systems: Systems, clips: int) -> None:
    settings = up.settings
    wrong = {key: topics for key, topics in _told_of(up, clips).items() if not soak.in_order(topics)}
    assert not wrong
    wait_for("work folders to be cleared", lambda: not soak.left_below(settings.work_folder), 60)
    wait_for("the inbox to be empty", lambda: not soak.left_below(settings.inbox_folder), 30)
    assert soak.orphans(systems) == ["library.json"]
    with systems.database.read() as session:
        from video_assets.library import queries

        videos = {str(video_id) for video_id in queries.all_ids(session)}
    assert soak.partitions(settings) == videos
    for name, held in soak.footprints(up).items():
        assert held.handles < 120, f"{name} holds {held}"
        assert held.bytes < 500e6, f"{name} holds {held}"
    family = up.family()
    assert up.stop() in (0, 130)
    wait_for("everything to have ended", lambda: soak.nothing_runs(up, family), 20)


def _told_of(up: soak.Up, videos: int) -> dict[str, list[str]]:
    """What was told of each video, once all of it was."""
    path = up.settings.home / "events.jsonl"

    def all_told() -> dict[str, list[str]] | None:
        told = soak.told(path)
        done = len(told) == videos and all(topics[-1] == soak.ORDER[-1] for topics in told.values())
        return told if done else None

    return wait_for("every event to be told", all_told, 60)
