"""One running house for the tests that only use it; those that break it start their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from video_assets.settings import Settings
from video_assets_tests.e2e.house import House, house
from video_assets_tests.e2e.production import Servers, production
from video_assets_tests.media.clips import make_clip

CAPTIONS = """WEBVTT

00:00.200 --> 00:01.800
The herons wait near the harbour at dawn.

00:02.000 --> 00:03.800
Add two cups of flour and sugar.
"""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary little video with captions inside."""
    return make_clip(tmp_path_factory.mktemp("clips") / "herons.mp4", captions=CAPTIONS)


def house_settings(home: Path, **changes: object) -> Settings:
    """Settings of a house for tests: everything soon."""
    values: dict[str, Any] = {
        "home": home,
        "reconcile_seconds": 2,
        "heartbeat_seconds": 1,
        "worker_lost_seconds": 8,
        "inbox_settle_seconds": 1,
        "min_free_bytes": 0,
        "max_concurrent_runs": 2,
        "ladder": "360,240",
    }
    return Settings(**(values | changes))


@pytest.fixture(scope="module", params=["embedded", "production"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of the test module's own, of each profile; `up` is the embedded one as `video-assets up` starts it."""
    up = request.param == "up"
    with profile(request, tmp_path_factory.mktemp("house")) as settings, house(settings, up=up) as started:
        yield started


@contextmanager
def profile(request: pytest.FixtureRequest, home: Path, **changes: object) -> Iterator[Settings]:
    """Settings of a house of the profile that the fixture's parameter names."""
    if request.param in ("embedded", "up"):
        yield house_settings(home, **changes)
        return
    servers = Servers.of(request)
    with production(home, servers, house_settings, **changes) as settings:
        yield settings
