"""Puts hostile files through the real thing, one after the other, and says what became of each.

    python -m video_assets_tests.media.hostile.verdicts HOW FOLDER PORT NAME…

A program of its own, so that strace can watch it from its first breath. Prints a JSON object a line. HOW: `graph` is a
Dagster run for each file; `side-by-side` is two such programs at once in one deployment, one for the hostile files and
one for the honest ones; `recipes` makes the same artifacts by the same recipes on the same workbench, but without the
seconds that a run's own bookkeeping takes; `whole-ladder` is the same with the rungs of everyday, not two small ones.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import psutil
from sqlalchemy import select

from video_assets.artifacts import RunInfo, current
from video_assets.artifacts.pointer import make_fence
from video_assets.clock import utc_now
from video_assets.database.models import AttemptRow, VideoRow
from video_assets.definitions import build_defs
from video_assets.defs.describe import describe
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.failures import plain_words
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.io_manager import publish_or_withdraw
from video_assets.defs.materialize import opened
from video_assets.defs.runner import run_video
from video_assets.errors import PermanentError, TransientError
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.recipes import RECIPES, Making
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.media.hostile import corpus
from video_assets_tests.media.hostile.kit import Hostile, Kit

SECONDS, BYTES = 60, 1_500_000_000
"""What a verdict may take at most."""
MODEL = Path(__file__).parents[2] / "fixtures" / "tiny-whisper" / "model"
HONEST = Hostile("honest.mp4", lambda kit: kit.clip("mp4"), "ready")
"""Goes through after all the others."""
BESIDE = [
    Hostile(f"honest.{ending}", partial(Kit.clip, ending=ending), "ready")
    for ending in ("mkv", "webm", "ts", "mov", "avi")
]
"""Go through beside them."""


@dataclass(frozen=True)
class Verdict:
    """What became of a file."""

    name: str
    status: str
    message: str
    kind: str
    """`permanent` where the file is told to be at fault."""
    seconds: float
    peak_bytes: int
    """Memory in use by all children of this process together, at its highest."""
    own_bytes: int
    """And by this process."""
    left: tuple[str, ...]
    """Processes that are still there, and files in the work folder."""
    begun: float
    """When, by the clock."""


def faults(verdict: Verdict) -> Iterator[str]:
    """What is wrong with how a file was dealt with, whatever became of it."""
    if verdict.status == "failed":
        if verdict.kind != "permanent":
            yield f"counts as {verdict.kind}: {verdict.message}"
        yield from unclear(verdict.message)
    if verdict.seconds > SECONDS:
        yield f"took {verdict.seconds:.0f} s"
    if verdict.peak_bytes > BYTES:
        yield f"took {verdict.peak_bytes:,} bytes of memory"
    yield from (f"left {what}" for what in verdict.left)


def unclear(message: str) -> Iterator[str]:
    """Why an uploader would not understand the line."""
    stage, _, words = message.partition(": ")
    if stage not in [*(stage.value for stage in Stage), "intake"]:
        yield f"does not say where it failed: {message}"
    if not words or len(message) > 300 or not message.isprintable():
        yield f"is not one short line: {message}"
    if re.search(r"\b0x[0-9a-f]{4}|Error\b|Traceback|unexpected|exit status|(?<!\w)-\d{5}|/tmp|None", message):
        yield f"speaks of our insides: {message}"
    if not re.search(r"upload|convert|at most|give|remove|copy|captions may have|taken", words):
        yield f"does not say what to do: {message}"


class Watch:
    """The memory of this process and of all that it starts, looked at twenty times a second."""

    def __init__(self) -> None:
        self.peak = self.own = 0
        self._me = psutil.Process()
        self._stopped = threading.Event()

    def look(self) -> None:
        self.own = max(self.own, self._me.memory_info().rss)
        total = 0
        for process in self._me.children(recursive=True):
            try:
                total += process.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
        self.peak = max(self.peak, total)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        def keep_looking() -> None:
            while not self._stopped.wait(0.05):
                self.look()

        thread = threading.Thread(target=keep_looking)
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            thread.join()


class Court:
    """Settings and systems in a folder of its own; with an instance, every file gets a run."""

    def __init__(
        self, folder: Path, settings: Settings, instance: dg.DagsterInstance | None, *, alone: bool = True
    ) -> None:
        self.alone = alone
        self.settings, self.instance = settings, instance
        self.systems = Systems(settings)
        self.uploads = folder / "uploads"
        self.uploads.mkdir(exist_ok=True)

    def judge(self, kit: Kit, file: Hostile) -> Verdict:
        """Takes the file in and sees it through to the end."""
        path = corpus.write(kit, file, self.uploads)
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        at, begun = time.time(), time.monotonic()
        with Watch().running() as watch:
            status, message, kind = self._outcome(path)
        seconds = round(time.monotonic() - begun, 2)
        path.unlink()
        path.with_suffix(file.captions_ending).unlink(missing_ok=True)
        left = tuple(self._left(before))
        return Verdict(file.name, status, message, kind, seconds, watch.peak, watch.own, left, at)

    def _outcome(self, path: Path) -> tuple[str, str, str]:
        systems = self.systems
        try:
            video_id = take_in(
                path,
                NewVideo(claimed_by="test"),
                database=systems.database,
                storage=systems.storage,
                settings=self.settings,
            ).id
        except PermanentError as refused:
            return "failed", f"intake: {refused}", "permanent"
        return self._run(video_id) if self.instance else self._make(video_id)

    def _run(self, video_id: int) -> tuple[str, str, str]:
        assert self.instance is not None
        run_video(build_defs(self.settings), self.instance, video_id, reason="test")
        Projector(self.systems).advance(self.instance, 0)
        with self.systems.database.read() as session:
            row = session.get_one(VideoRow, video_id)
            kinds = session.scalars(select(AttemptRow.error_kind).where(AttemptRow.video_id == video_id))
            return row.status, row.status_message or "", next(iter(kinds)) or ""

    def _make(self, video_id: int) -> tuple[str, str, str]:
        run = RunInfo(uuid4().hex, make_fence(utc_now(), "x"))
        for stage in Stage:
            try:
                sources = {each: current(self.systems.storage, video_id, each) for each in RECIPES[stage].made_from}
                making = Making(self.systems, video_id, {each: it for each, it in sources.items() if it})
                with opened(stage, making, run) as artifact:
                    manifest = artifact.seal()
                    publish_or_withdraw(self.systems, manifest)
                describe(making, manifest)
            except Exception as error:
                kind = {PermanentError: "permanent", TransientError: "transient"}.get(type(error), "unknown")
                if kind == "unknown":
                    traceback.print_exc()
                return "failed", f"{stage.value}: {plain_words(error)}", kind
        return "ready", "", ""

    def _left(self, before: set[int]) -> Iterator[str]:
        for child in psutil.Process().children(recursive=True):
            if child.pid not in before and child.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(child.cmdline())
        if self.alone:
            yield from left_files(self.settings)


def left_files(settings: Settings) -> Iterator[str]:
    """What is still in the work folder."""
    yield from (str(path) for path in settings.work_folder.rglob("*") if path.is_file())


def main(how: str, folder: Path, port: int, names: list[str]) -> None:
    wanted = {file.name: file for file in [*corpus.FILES, HONEST, *BESIDE]}
    if how == "side-by-side":
        side_by_side(folder, port, names)
        return
    whole = folder.parent if how == "lane" else folder
    kit = corpus.kit_in(folder, port, whole / "canary" / "canary.mp4")
    settings = settings_in(whole, whole_ladder=how == "whole-ladder")
    with open_instance(settings) if how in ("graph", "lane") else nullcontext() as instance:
        court = Court(folder, settings, instance, alone=how != "lane")
        for name in names or wanted:
            print(json.dumps(dataclasses.asdict(court.judge(kit, wanted[name]))), flush=True)


def side_by_side(folder: Path, port: int, names: list[str]) -> None:
    """Two programs in one deployment at the same time: the one puts the honest files of `BESIDE` through, the other
    the rest. Ends in an error where anything is left in the work folder when both are done."""
    beside = {file.name for file in BESIDE} & set(names)
    settings = settings_in(folder)
    Systems(settings)  # makes the tables, which two at once need not
    with open_instance(settings):
        pass
    lanes = []
    for lane, given in (("rest", [name for name in names if name not in beside]), ("beside", sorted(beside))):
        (folder / lane).mkdir()
        command = [sys.executable, "-m", "video_assets_tests.media.hostile.verdicts", "lane", str(folder / lane)]
        lanes.append(subprocess.Popen([*command, str(port), *given]))
    codes = [lane.wait() for lane in lanes]
    if any(codes) or (left := list(left_files(settings))):
        raise SystemExit(f"the lanes ended with {codes}" if any(codes) else f"left {left}")


def settings_in(folder: Path, *, whole_ladder: bool = False) -> Settings:
    """The tests' own recogniser and, unless the whole ladder is wanted, small rungs."""
    ladder: dict[str, Any] = {} if whole_ladder else {"ladder": "90,48"}
    return Settings(home=folder / "home", min_free_bytes=0, heartbeat_seconds=0.5, whisper_model=str(MODEL), **ladder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
