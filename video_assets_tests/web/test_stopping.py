"""Told to stop, the web drains: open streams and requests under way do not keep it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from video_assets.accounts.permissions import Visibility
from video_assets.cli.up.services import free_port
from video_assets.clock import utc_now
from video_assets.database.models import VideoRow
from video_assets.library import editing
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.e2e.house import wait_for

pytestmark = pytest.mark.timeout(180)
STREAMS = 200


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`video-assets web` over a house with one public video, and its port."""
    settings, port = Settings(home=tmp_path / "home"), free_port()
    systems = Systems(settings)
    with systems.database.write() as session:
        now = utc_now()
        session.add(VideoRow(title="t", key="k", status="ready", created_at=now, updated_at=now))
    editing.show_to(systems, 1, Visibility.PUBLIC, now=utc_now(), note=lambda _: None)
    systems.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "video_assets.cli", "web", "--port", str(port)],
        env=settings.environment(),
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for("the web", lambda: answers(port), 60)
        yield process, port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_hundred_open_streams_do_not_outlive_it(running: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = running
    with ExitStack() as opened:
        streams = [opened.enter_context(stream(port)) for _ in range(STREAMS)]
        for each in streams:
            told = b""
            while b"event: video" not in told:
                told += each.recv(4096)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        process.wait(timeout=20)
        assert time.monotonic() - begun < 5
        assert process.returncode in (0, -signal.SIGTERM, 130, 143)


def stream(port: int) -> socket.socket:
    """A client that listens to the video, as a browser does."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(b"GET /api/v1/videos/events?ids=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return connection
