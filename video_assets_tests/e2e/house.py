"""The real thing, started for tests: webserver, daemon, code server, runs; and a GraphQL client for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from video_assets.defs.instance.opening import prepare_dagster_home
from video_assets.settings import Settings
from video_assets.systems import Systems

T = TypeVar("T")
WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
WORKER = (sys.executable, "-m", "video_assets.cli", "worker")


def wait_for(what: str, condition: Callable[[], T | bool | None], seconds: float, pause: float = 0.2) -> T:
    """The condition's first true answer; an AssertionError that says what was waited for after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found  # type: ignore[return-value]
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}; last seen: {found!r}")
        time.sleep(pause)


class House:
    """A running Dagster over the project's definitions, with a worker where runs go to workers."""

    worker: subprocess.Popen[bytes] | None = None

    def __init__(self, settings: Settings, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.settings = settings
        self.systems = Systems(settings)
        self.port = port
        self.process = process
        self.log = log

    @property
    def graphql_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of an answer without errors."""
        answer = httpx.post(self.graphql_url, json={"query": query, "variables": variables or {}}, timeout=30).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def processes(self) -> list[psutil.Process]:
        """Every process of the house."""
        heads = [psutil.Process(each.pid) for each in (self.process, self.worker) if each and each.poll() is None]
        return [process for head in heads for process in (head, *head.children(recursive=True))]

    def start_worker(self, command: Sequence[str] = WORKER, **environment: str) -> subprocess.Popen[bytes]:
        """`video-assets worker`, as a process of its own."""
        with (self.settings.home / "worker.log").open("ab") as out:
            return subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=self.settings.environment() | environment,
                cwd=self.settings.home,
            )

    def kill_everything(self) -> None:
        """SIGKILL to all of it at once, as a power cut would."""
        for process in self.processes():
            _kill(process)
        for mine in (self.process, self.worker):
            if mine:
                mine.wait(timeout=30)


def ffmpeg_processes(below: str) -> list[psutil.Process]:
    """FFmpeg processes that work on files below a folder."""
    return [
        process
        for process in psutil.process_iter()
        if any("ffmpeg" in part for part in _command(process)[:1]) and any(below in part for part in _command(process))
    ]


@contextmanager
def house(
    settings: Settings,
    *,
    workspace: Path = WORKSPACE,
    worker: Sequence[str] | None = WORKER,
    up: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[House]:
    """Starts everything, waits until it answers, and leaves no process behind. A worker only where runs go to
    workers. `up`: as `video-assets up` starts it, instead of `dagster dev`."""
    more = dict(environment or {})
    prepare_dagster_home(settings)
    Systems(settings).database  # noqa: B018  (makes the schema)
    port = _free_port()
    log = settings.home / "house.log"
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(workspace),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--log-level",
        "warning",
    ]
    if up:
        command = [sys.executable, "-m", "video_assets.cli", "up", "--port", str(port)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=settings.environment() | more,
            cwd=settings.home,
        )
    running = House(settings, port, process, log)
    if settings.celery_broker_url and worker:
        running.worker = running.start_worker(worker, **more)
    try:
        wait_for(f"the webserver (see {log})", lambda: _answers(running), 180)
        yield running
    finally:
        _stop(running)


def _stop(running: House) -> None:
    everyone = running.processes()
    for process, number in ((running.worker, signal.SIGTERM), (running.process, signal.SIGINT)):
        if process is not None and process.poll() is None:
            process.send_signal(number)
    deadline = time.monotonic() + 20
    for process in (running.worker, running.process):
        if process is not None:
            try:
                process.wait(timeout=max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    for child in everyone:
        _kill(child)


def _answers(running: House) -> bool:
    if running.process.poll() is not None:
        raise AssertionError(running.log.read_text(errors="replace")[-3000:])
    try:
        query = "{ repositoriesOrError { __typename ... on RepositoryConnection { nodes { name } } } }"
        return bool(running.graphql(query)["repositoriesOrError"].get("nodes"))
    except httpx.HTTPError:
        return False


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(timeout=10)
    except psutil.Error:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
