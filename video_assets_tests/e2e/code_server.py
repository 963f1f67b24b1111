"""A code server of one's own, whose sensors are evaluated as fast as it can, as Dagster's daemon would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import SensorExecutionArgs
from dagster_shared.serdes import deserialize_value

from video_assets.defs.instance.parts import code_answers
from video_assets.footprint import Footprint, footprint
from video_assets.settings import Settings
from video_assets_tests.e2e.house import wait_for

SENSORS = ("uploads_sensor", "inbox_sensor", "status_sensor", "outbox_sensor", "reconcile_sensor")
_ORIGIN = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("video_assets"), "__repository__")


class Ticking:
    """The running server, and the cursors that the daemon would keep."""

    def __init__(self, client: DagsterGrpcClient, instance: dg.DagsterInstance, pid: int) -> None:
        self.pid = pid
        self._client = client
        self._ref = instance.get_ref()
        self._cursors: dict[str, str | None] = {}

    def tick(self, sensor: str) -> None:
        """Evaluates a sensor once; an AssertionError where it fails."""
        arguments = SensorExecutionArgs(
            repository_origin=_ORIGIN,
            instance_ref=self._ref,
            sensor_name=sensor,
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=self._cursors.get(sensor),
            timeout=60,
        )
        answer = deserialize_value(self._client.external_sensor_execution(arguments))
        assert isinstance(answer, SensorExecutionData), f"{sensor}: {answer}"
        self._cursors[sensor] = answer.cursor

    def rounds(self, number: int) -> Footprint:
        """Ticks every sensor so often; what the server holds then."""
        for _ in range(number):
            for sensor in SENSORS:
                self.tick(sensor)
        held = footprint(self.pid)
        assert held is not None, "the code server has died"
        return held


@contextmanager
def ticking(settings: Settings, instance: dg.DagsterInstance, folder: Path, *, headroom: int) -> Iterator[Ticking]:
    """Starts one over the graph; once it is warm it may have `headroom` more handles than it holds."""
    import psutil

    socket = folder / "code"
    environment: Mapping[str, str] = settings.environment()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "dagster",
            "api",
            "grpc",
            "-m",
            "video_assets.definitions",
            "--socket",
            str(socket),
            "--log-level",
            "warning",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        wait_for("the code server", lambda: code_answers(str(socket), 2), 120)
        running = Ticking(DagsterGrpcClient(socket=str(socket)), instance, process.pid)
        held = running.rounds(5)
        psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE, (held.handles + headroom, held.handles + headroom))
        yield running
    finally:
        process.kill()
        process.wait()
