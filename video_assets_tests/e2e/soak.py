"""What a soak does to a house: files arrive, parts are killed, the disk fills, the clock jumps; then one looks."""

from __future__ import annotations

import json
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
from sqlalchemy import select

from video_assets.artifacts import current
from video_assets.artifacts.pointer import pointer_key
from video_assets.cli.up.alone import who
from video_assets.database.models import LaunchRow, VideoRow
from video_assets.defs.operations.unfinished import UNFINISHED
from video_assets.defs.partitions import VIDEOS
from video_assets.footprint import Footprint, footprint
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage, video_prefix
from video_assets_tests.e2e.house import _free_port, wait_for

SHIM = Path(__file__).with_name("clock_shim.c")
ORDER = ("video.uploaded", "video.transcoded", "video.transcribed", "video.summarized", "video.ready")


class Clock:
    """The wall clock of every process that is started with this environment."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "clock_shim.so", folder / "clock_ahead"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SHIM, "-ldl"], check=True)
        self._file.write_bytes(struct.pack("l", 0))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_FILE": str(self._file)}

    def set_ahead(self, seconds: int) -> None:
        """From now on it is ahead by so much."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as seen:
            seen[:8] = struct.pack("l", seconds)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of this size, in memory; takes root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        for _ in range(50):  # what was killed a moment ago may still hold it
            if subprocess.run(["umount", folder], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.2)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """For the block, not a byte is free."""
    filler = disk / "filler"
    try:
        with filler.open("wb") as file, suppress(OSError):
            while True:
                file.write(b"\0" * 2**20)
                file.flush()
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 4096):
                pass
        yield
    finally:
        filler.unlink()


class Up:
    """`video-assets up`, started again whenever it has been killed."""

    def __init__(self, settings: Settings, environment: dict[str, str], log: Path) -> None:
        self.settings = settings
        self.port = _free_port()
        self.starts = 0
        self._environment = settings.environment() | environment
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; returns at once."""
        self.starts += 1
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "video_assets.cli", "up", "--port", str(self.port)],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=self._environment,
            )

    def keep(self) -> None:
        """Starts it again where it has ended."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def parts(self) -> dict[str, int]:
        """Name and process of every part that runs."""
        noted = who(self.settings.home) or {}
        return {name: part["pid"] for name, part in (noted.get("parts") or {}).items() if part.get("pid")}

    def family(self) -> list[psutil.Process]:
        """Every process of it."""
        if self.process is None:
            return []
        with suppress(psutil.Error):
            head = psutil.Process(self.process.pid)
            return [head, *head.children(recursive=True)]
        return []

    def stop(self) -> int:
        """Ends it as Ctrl-C does; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass
class Killer:
    """Kills something every few seconds, chosen by a seed."""

    up: Up
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    def kill(self) -> None:
        """Kills one of: an FFmpeg, the process of a run, a part, or everything at once."""
        choices: list[tuple[str, list[psutil.Process]]] = []
        family = self.up.family()
        parts = self.up.parts()
        code = parts.get("code server")
        for name, pid in parts.items():
            with suppress(psutil.Error):
                choices.append((name, [psutil.Process(pid)]))
        for process in family:
            with suppress(psutil.Error):
                if "ffmpeg" in process.name():
                    choices.append(("ffmpeg", [process]))
                elif process.ppid() == code and process.pid not in parts.values():
                    choices.append(("run", [process]))
        kinds = sorted({name for name, _ in choices})
        if family and self.chance.random() < 0.12:
            kinds, choices = ["everything"], [("everything", family)]
        if not kinds:
            return
        kind = self.chance.choice(kinds)
        _, chosen = self.chance.choice([each for each in choices if each[0] == kind])
        for process in chosen:
            with suppress(psutil.Error):
                process.kill()
        self.killed[kind] += 1


@dataclass
class Seen:
    """Footprints of the parts, over time."""

    first: dict[str, Footprint] = field(default_factory=dict)
    last: dict[str, Footprint] = field(default_factory=dict)


def feed(inbox: Path, clip: Path, number: int) -> None:
    """Drops a file as a program would that writes slowly: it appears under its name when it is whole."""
    inbox.mkdir(parents=True, exist_ok=True)
    half = inbox / f".clip-{number}.mp4"
    shutil.copy(clip, half)
    half.rename(inbox / f"clip-{number}.mp4")


def statuses(systems: Systems) -> Counter[str]:
    """How many videos stand where."""
    with systems.database.read() as session:
        return Counter(session.scalars(select(VideoRow.status)))


def told(path: Path) -> dict[str, list[str]]:
    """Video → topics in the order in which they were first told. An event may be told twice (it is at least once),
    but then it is the same event."""
    ids: dict[str, list[tuple[str, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        topic, identity = event["topic"], event["payload"]["id"]
        known = ids.setdefault(event["key"], [])
        if (topic, identity) not in known:
            known.append((topic, identity))
    return {key: [topic for topic, _ in events] for key, events in ids.items()}


def in_order(topics: list[str]) -> bool:
    """Whether a video's events were told once each, uploaded first and ready last. What is made side by side may be
    told in either order, and a stage that was made twice (its worker died before it could say so) is told twice."""
    return topics[0] == ORDER[0] and topics[-1] == ORDER[-1] and Counter(topics) == Counter(ORDER)


def orphans(systems: Systems) -> list[str]:
    """Objects in storage that nothing names: not the upload, not what is current, not what is kept for the next run."""
    found = []
    with systems.database.read() as session:
        videos = {row.id: row.key for row in session.scalars(select(VideoRow))}
    named: set[str] = set()
    for video_id, key in videos.items():
        prefix = video_prefix(video_id)
        named |= {key, f"{prefix}upload.json"}
        for stage in Stage:
            manifest = current(systems.storage, video_id, stage)
            named.add(pointer_key(video_id, stage))
            if manifest is not None:
                named |= {manifest.key, *(file.key for file in manifest.files)}
    for stat in systems.storage.list(""):
        if stat.key not in named:
            found.append(stat.key)
    return found


def left_below(folder: Path) -> list[str]:
    """Files that lie below a folder."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def wait_for_all(systems: Systems, up: Up, count: int, seconds: float) -> None:
    """Waits until so many videos are ready; fails with what stands where."""

    def ready() -> bool:
        up.keep()
        with suppress(Exception):  # a database that is just being opened by all of them
            return statuses(systems) == Counter({"ready": count})
        return False

    try:
        wait_for(f"{count} videos to be ready", ready, seconds, pause=1)
    except AssertionError as error:
        raise AssertionError(f"{error}; {_unfinished(systems, up.settings)}") from None


def _unfinished(systems: Systems, settings: Settings) -> list[str]:
    """The story of each video that is not ready, a line each."""
    from video_assets.defs.instance.opening import open_instance

    with systems.database.read() as session:
        rows = [row for row in session.scalars(select(VideoRow)) if row.status != "ready"]
        launches = {
            row.id: [
                (each.run_key, each.claimed_by, each.requested_at, each.closed_at)
                for each in session.scalars(
                    select(LaunchRow).where(LaunchRow.video_id == row.id).order_by(LaunchRow.id)
                )
            ]
            for row in rows
        }
    with open_instance(settings) as instance:
        runs = {
            row.id: [
                (str(run.create_timestamp), run.dagster_run.status.value)
                for run in instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": str(row.id)}))
            ]
            for row in rows
        }
        going = [
            (run.run_id[:8], run.status.value, run.tags.get("dagster/partition"))
            for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        ]
    return [
        f"{row.id} {row.status} {row.status_message}: runs {runs[row.id]}, launches {launches[row.id]}" for row in rows
    ] + [f"going: {going}"]


def footprints(up: Up) -> dict[str, Footprint]:
    """What each part holds now."""
    found = {name: footprint(pid) for name, pid in up.parts().items()}
    return {name: each for name, each in found.items() if each is not None}


def nothing_runs(up: Up, family: list[psutil.Process]) -> bool:
    """Whether everything of the house has ended."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def partitions(settings: Settings) -> set[str]:
    """The partition keys that Dagster knows."""
    from video_assets.defs.instance.opening import open_instance

    with open_instance(settings) as instance:
        return set(instance.get_dynamic_partitions(VIDEOS))


def every(seconds: float, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Whether so long has passed since it last said yes."""
    due = clock() + seconds

    def is_due() -> bool:
        nonlocal due
        if clock() < due:
            return False
        due = clock() + seconds
        return True

    return is_due


def may_mount() -> bool:
    """Whether this user may mount a disk."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and shutil.which("cc") is not None


def at_times(pause: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """A question that is answered with yes after each pause, drawn anew each time."""
    due = clock() + pause()

    def ask() -> bool:
        nonlocal due
        if clock() < due:
            return False
        due = clock() + pause()
        return True

    return ask
