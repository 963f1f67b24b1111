"""A real `video-assets up` in a process of its own, for tests that use it and for those that break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from video_assets.cli.up.alone import who
from video_assets.cli.up.services import free_port
from video_assets.settings import Settings
from video_assets_tests.e2e.house import wait_for

CLI = (sys.executable, "-m", "video_assets.cli")
STARTED = "Ctrl-C stops everything"


class Up:
    """It, and what can be seen of it from outside."""

    def __init__(self, settings: Settings, port: int, said: Path, process: subprocess.Popen[bytes]) -> None:
        self.settings = settings
        self.port = port
        self.said = said
        self.process = process

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> dict[str, int | None]:
        """The parts' process ids, as `up` has noted them."""
        return {name: part["pid"] for name, part in ((who(self.settings.home) or {}).get("parts") or {}).items()}

    def family(self) -> list[psutil.Process]:
        """Everybody below it, and it."""
        head = psutil.Process(self.process.pid)
        return [head, *head.children(recursive=True)]

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of an answer without errors."""
        body = {"query": query, "variables": variables or {}}
        answer = httpx.post(f"{self.address}/graphql", json=body, timeout=30).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.said.read_text()
            return STARTED in self.said.read_text()

        wait_for("up to be ready", ready, 150)


@contextmanager
def upped(settings: Settings, *, ready: bool = True) -> Iterator[Up]:
    """`up` over these settings; whatever is left of it afterwards is killed."""
    port, said = free_port(), settings.home.parent / f"{settings.home.name}.said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*CLI, "up", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=settings.environment() | {"PYTHONUNBUFFERED": "1"},
            cwd=settings.home.parent,
        )
    running = Up(settings, port, said, process)
    try:
        if ready:
            running.wait_until_ready()
        yield running
    finally:
        everybody = running.family() if process.poll() is None else []
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, left = psutil.wait_procs(everybody, timeout=5)
        for each in left:
            os.kill(each.pid, signal.SIGKILL)
