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

from video_assets.library import queries
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
    """On a graph whose stages do nothing: seconds from the first request to the end of the last run."""
    there = servers.started()
    folder.mkdir(parents=True)
    count = 4 if quick else 20
    took = {way: _idle(folder / way.title, there, way, count) for way in WAYS}
    return _compared(f"{count} runs that do nothing", took, ("goal 6 at least", "goal 2.5 at least"))


def run_with_media(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """With real videos of three seconds: seconds from the first upload until the last is ready."""
    there = servers.started()
    folder.mkdir(parents=True)
    count = 4 if quick else 20
    clip = make_clip(folder / "clip.mp4", seconds=3, captions=CAPTIONS)
    real = {way: _real(folder / way.title, there, way, clip, count) for way in WAYS}
    took = {way: seconds for way, (seconds, _, _) in real.items()}
    _, alone, work = real[WAYS[-1]]
    return {
        **_compared(f"{count} videos of 3 s", took, ("no goal", "no goal")),
        "warm workers: one upload to ready, s": round(alone, 2),
        "warm workers: its stages' own work, s": round(work, 2),
        "warm workers: one upload to ready beyond its work, s (goal 4 at most)": round(alone - work, 2),
    }


def _compared(what: str, took: dict[Way, float], goals: tuple[str, str]) -> dict[str, float | str]:
    figures: dict[str, float | str] = {f"{what}, {way.title}, s": round(took[way], 1) for way in WAYS}
    for way, goal in zip(WAYS, goals, strict=False):
        figures[f"{way.title} over warm workers ({goal})"] = round(took[way] / took[WAYS[-1]], 2)
    return figures


def _idle(folder: Path, there: Servers, way: Way, count: int) -> float:
    with _housed(folder, there, way, "idle") as running:
        _launch(running, 2)  # whatever is loaded on first use, in every slot
        wait_for("the first runs", lambda: _ended(running) == 2, PATIENCE_SECONDS)
        begun = time.monotonic()
        _launch(running, count)
        wait_for("the runs", lambda: _ended(running) == count + 2, PATIENCE_SECONDS, pause=0.5)
        return time.monotonic() - begun


def _launch(running: House, count: int) -> None:
    for _ in range(count):
        assert running.graphql(LAUNCH)["launchRun"]["__typename"] == "LaunchRunSuccess"


def _ended(running: House) -> int:
    ended = [each["status"] for each in running.graphql(ENDED)["runsOrError"]["results"]]
    assert set(ended) <= {"SUCCESS"}
    return len(ended)


def _real(folder: Path, there: Servers, way: Way, clip: Path, count: int) -> tuple[float, float, float]:
    """Seconds for all the videos; then for one alone, and of those what its stages worked."""
    with _housed(folder, there, way, "real") as running:
        _ready(running, clip, 2)
        begun = time.monotonic()
        _ready(running, clip, count)
        took = time.monotonic() - begun
        begun = time.monotonic()
        (video_id,) = _ready(running, clip, 1)
        alone = time.monotonic() - begun
        with running.systems.database.read() as session:
            work = sum(row.cost["wall_seconds"] for row in queries.artifacts(session, video_id))
        return took, alone, work


def _ready(running: House, clip: Path, count: int) -> list[int]:
    videos = [add_video(running.systems, clip, f"Bench {number}") for number in range(count)]

    def all_ready() -> bool:
        found = {status(running.systems, video_id) for video_id in videos}
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
    # A lost worker is none of what is measured; a busy machine must not be taken for one.
    with production(folder, there, house_settings, worker_lost_seconds=120) as settings:
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [workspace]}), encoding="utf-8")
        _set_up(settings, way)
        worker = [sys.executable, "-c", _WORKER.format(module=module), root] if way.workers else None
        with house(
            settings,
            workspace=folder / "workspace.yaml",
            worker=worker,
            environment={"BENCH_EXECUTOR": way.executor, "PYTHONPATH": root},
        ) as running:
            yield running


_WORKER = """
from video_assets.defs.instance.worker import work
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
