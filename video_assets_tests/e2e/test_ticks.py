"""A day of ticks: whatever the sensors open they let go of, or `up` stands still some time after its start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from video_assets.defs.instance.opening import open_instance
from video_assets.footprint import Footprint
from video_assets.settings import Settings
from video_assets_tests.e2e.code_server import ticking
from video_assets_tests.e2e.conftest import house_settings, profile

pytestmark = pytest.mark.e2e

HEADROOM = 64
WARM_UP, QUICK = 60, 250
"""Rounds, each a tick of every sensor."""
DAY = 24 * 3600 // 5
"""Dagster's daemon comes round to each sensor every five seconds."""
GREW_MOST = 24_000
"""Bytes a round that may be more memory, while caches fill and the allocator finds its size: the instances opened in a
round cost a million and a half."""


@pytest.fixture(params=["embedded", "production"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    # A tick is one look, so that there are as many of them as can be.
    with profile(request, tmp_path / "home", sensor_seconds=5) as settings:
        yield settings


def flat(before: Footprint, after: Footprint, rounds: int, *, most: float = GREW_MOST) -> None:
    assert after.handles <= before.handles + 4, f"{before} became {after}"
    assert after.threads <= before.threads + 2, f"{before} became {after}"
    grew = (after.bytes - before.bytes) / rounds
    assert grew < most, f"{before} became {after}: {grew:.0f} bytes more a round"


@pytest.mark.timeout(400)
def test_ticks_leave_no_handle_no_thread_and_no_memory(house: Settings, tmp_path: Path) -> None:
    with open_instance(house) as instance, ticking(house, instance, tmp_path, headroom=HEADROOM) as server:
        warm = server.rounds(WARM_UP)
        flat(warm, server.rounds(QUICK), QUICK)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_a_day_of_ticks_is_as_flat_as_an_hour(tmp_path: Path) -> None:
    settings = house_settings(tmp_path / "home", sensor_seconds=5)
    with open_instance(settings) as instance, ticking(settings, instance, tmp_path, headroom=HEADROOM) as server:
        warm = server.rounds(DAY // 24)
        after = server.rounds(DAY)
        flat(warm, after, DAY, most=32 * 2**20 / DAY)
