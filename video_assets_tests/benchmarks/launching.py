"""Twenty queued runs: a process a run and a process a step, a process a run, and warm workers.

On a graph whose stages do nothing, and with real media. Runs are kept in Postgres all three times, and two go at
once. Only the launcher and the executor differ.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from video_assets.database import reading
from video_assets.settings import Settings
from video_assets_tests.benchmarks import servers
from video_assets_tests.e2e.conftest import CAPTIONS, house_settings
from video_assets_tests.e2e.house import House, house, wait_for
from video_assets_tests.e2e.production import Servers, production
from video_assets_tests.e2e.videos import add_video, status
from video_assets_tests.media.clips import make_clip

LAUNCH = """mutation { launchRun(executionParams: {
  selector: {repositoryLocationName: "bench", repositoryName: "__repository__", jobName: "idle"}, runConfigData: {}
}) { __typename } }"""
ENDED = "{ runsOrError(filter: {statuses: [SUCCESS, FAILURE, CANCELED]}) { ... on Runs { results { status } } } }"
PATIENCE_SECONDS = 3600


@dataclass(frozen=True)
class Way:
    """One way of running runs."""

    title: str
    executor: str
    workers: bool


WAYS = (
    Way("a process a step", "multiprocess", workers=False),
    Way("a process a run", "in_process", workers=False),
    Way("warm workers", "in_process", workers=True),
)


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Seconds from the first request to the end of the last run, and what warm workers gain."""
    there = servers.started()
    folder.mkdir(parents=True)
    figures: dict[str, float | str] = {}
    count = 4 if quick else 20
    idle = {way: _idle(folder / f"idle {way.title}", there, way, count) for way in WAYS}
    clip = make_clip(folder / "clip.mp4", seconds=3, captions=CAPTIONS)
    real = {}
    beyond = 0.0
    for way in WAYS:
        real[way], beyond = _real(folder / f"real {way.title}", there, way, clip, count)
    for title, took, goals in (("idle", idle, ("6", "2.5")), ("real media", real, ("none", "none"))):
        for way in WAYS:
            figures[f"{count} {title} runs, {way.title}, s"] = round(took[way], 1)
        for way, goal in zip(WAYS, goals, strict=False):
            ratio = took[way] / took[WAYS[-1]]
            figures[f"{title}: warm workers over {way.title} (goal {goal})"] = round(ratio, 2)
    figures["one upload to ready beyond its work, warm workers, s (goal 4 at most)"] = round(beyond, 2)
    return figures


def _idle(folder: Path, there: Servers, way: Way, count: int) -> float:
    with _housed(folder, there, way, "idle") as running:
        _launch(running, 2)  # whatever is loaded on first use, in every slot
        wait_for("the first runs", lambda: _ended(running) == 2, PATIENCE_SECONDS)
        begun = time.monotonic()
        _launch(running, count)
        wait_for("the runs", lambda: _ended(running) == count + 2, PATIENCE_SECONDS)
        return time.monotonic() - begun


def _launch(running: House, count: int) -> None:
    for _ in range(count):
        assert running.graphql(LAUNCH)["launchRun"]["__typename"] == "LaunchRunSuccess"


def _ended(running: House) -> int:
    ended = [each["status"] for each in running.graphql(ENDED)["runsOrError"]["results"]]
    assert set(ended) <= {"SUCCESS"}
    return len(ended)


def _real(folder: Path, there: Servers, way: Way, clip: Path, count: int) -> tuple[float, float]:
    """Seconds for all the videos, and what one alone takes beyond its work."""
    with _housed(folder, there, way, "real") as running:
        _ready(running, clip, 2)
        begun = time.monotonic()
        _ready(running, clip, count)
        took = time.monotonic() - begun
        begun = time.monotonic()
        (video_id,) = _ready(running, clip, 1)
        alone = time.monotonic() - begun
        with running.platform.database.read() as session:
            work = sum(row.cost["wall_seconds"] for row in reading.artifacts(session, video_id))
        return took, alone - work


def _ready(running: House, clip: Path, count: int) -> list[int]:
    videos = [add_video(running.platform, clip, f"Bench {number}") for number in range(count)]

    def all_ready() -> bool:
        found = {status(running.platform, video_id) for video_id in videos}
        assert "failed" not in found
        return found == {"ready"}

    wait_for("the videos", all_ready, PATIENCE_SECONDS, pause=0.1)
    return videos


@contextmanager
def _housed(folder: Path, there: Servers, way: Way, graph: str) -> Iterator[House]:
    """A running house over one of our graphs, its runs executed in this way."""
    module = f"video_assets_tests.benchmarks.{graph}"
    root = str(Path(__file__).parents[2])
    workspace = {"python_module": {"module_name": module, "location_name": "bench", "working_directory": root}}
    with production(folder, there, house_settings) as settings:
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [workspace]}), encoding="utf-8")
        _set_up(settings, way)
        worker = [sys.executable, "-c", _WORKER.format(module=module), root] if way.workers else None
        with house(
            settings, workspace=folder / "workspace.yaml", worker=worker,
            environment={"BENCH_EXECUTOR": way.executor, "PYTHONPATH": root},
        ) as running:  # fmt: skip
            yield running


_WORKER = """
from video_assets.defs.worker import work
from video_assets.settings import Settings
work(Settings.load(), slots=2, grace_seconds=5, graph="{module}")
"""


def _set_up(settings: Settings, way: Way) -> None:
    path = settings.dagster_home / "dagster.yaml"
    instance = yaml.safe_load(path.read_text(encoding="utf-8"))
    del instance["compute_logs"]
    if not way.workers:
        instance["run_launcher"] = {"module": "dagster.core.launcher", "class": "DefaultRunLauncher"}
        # As the embedded instance has it: the code server is asked for one run at a time.
        instance["run_coordinator"]["config"]["dequeue_use_threads"] = False
        del instance["run_coordinator"]["config"]["dequeue_num_workers"]
    path.write_text(yaml.safe_dump(instance), encoding="utf-8")
