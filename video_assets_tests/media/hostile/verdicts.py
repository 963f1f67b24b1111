"""Puts hostile files through the real thing, one after the other, and says what became of each.

    python -m video_assets_tests.media.hostile.verdicts (graph | recipes) FOLDER PORT NAME…

A program of its own, so that strace can watch it from its first breath. Prints a JSON object a line. `graph` is a
Dagster run for each file; `recipes` makes the same artefacts by the same recipes on the same workbench, but without
the seconds that a run's own bookkeeping takes.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import dagster as dg
import psutil
from sqlalchemy import select

from video_assets.artifacts import RunInfo, current
from video_assets.artifacts.pointer import make_fence
from video_assets.database.models import AttemptRow, VideoRow
from video_assets.definitions import build_defs
from video_assets.defs.assets import search_documents, summaries, transcripts, uploads, variants
from video_assets.defs.failures import plain_words
from video_assets.defs.instance import open_instance
from video_assets.defs.io_manager import publish_or_withdraw
from video_assets.defs.making import Recipe, opened
from video_assets.defs.platform import Platform
from video_assets.defs.projecting import Projector
from video_assets.defs.runner import run_video
from video_assets.errors import PermanentError, TransientError
from video_assets.lifecycle.intake import take_in
from video_assets.settings import Settings
from video_assets.videos import Stage, utc_now
from video_assets_tests.media.hostile import corpus
from video_assets_tests.media.hostile.kit import Hostile, Kit

SECONDS, BYTES = 60, 1_500_000_000
"""What a verdict may take at most."""
MODEL = Path(__file__).parents[2] / "fixtures" / "tiny-whisper" / "model"
HONEST = Hostile("honest.mp4", lambda kit: kit.clip("mp4"), "ready")
"""Goes through after all the others."""


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
    """Memory in use by this process and all beneath it, at its highest."""
    left: tuple[str, ...]
    """Processes that are still there, and files in the work folder."""


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
    if re.search(r"\b0x[0-9a-f]{4}|Error\b|Traceback|unexpected|exit status|-\d{5}|/tmp|None", message):
        yield f"speaks of our insides: {message}"
    if not re.search(r"upload|convert|at most|give|remove|copy|captions may have|taken", words):
        yield f"does not say what to do: {message}"


class Watch:
    """The memory of this process with all that it starts, looked at twenty times a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._me = psutil.Process()
        self._stopped = threading.Event()

    def look(self) -> None:
        total = 0
        for process in [self._me, *self._me.children(recursive=True)]:
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

    def __init__(self, folder: Path, settings: Settings, instance: dg.DagsterInstance | None) -> None:
        self.settings, self.instance = settings, instance
        self.platform = Platform(settings)
        self.uploads = folder / "uploads"
        self.uploads.mkdir(exist_ok=True)

    def judge(self, kit: Kit, file: Hostile) -> Verdict:
        """Takes the file in and sees it through to the end."""
        path = corpus.write(kit, file, self.uploads)
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        begun = time.monotonic()
        with Watch().running() as watch:
            status, message, kind = self._outcome(path)
        seconds = time.monotonic() - begun
        path.unlink()
        path.with_suffix(file.captions_ending).unlink(missing_ok=True)
        return Verdict(file.name, status, message, kind, round(seconds, 2), watch.peak, tuple(self._left(before)))

    def _outcome(self, path: Path) -> tuple[str, str, str]:
        platform = self.platform
        try:
            video_id = take_in(
                path, database=platform.database, storage=platform.storage, settings=self.settings, claimed_by="test"
            ).id
        except PermanentError as refused:
            return "failed", f"intake: {refused}", "permanent"
        return self._run(video_id) if self.instance else self._make(video_id)

    def _run(self, video_id: int) -> tuple[str, str, str]:
        assert self.instance is not None
        run_video(build_defs(self.settings), self.instance, video_id, reason="test")
        Projector(self.platform).advance(self.instance, 0)
        with self.platform.database.read() as session:
            row = session.get_one(VideoRow, video_id)
            kinds = session.scalars(select(AttemptRow.error_kind).where(AttemptRow.video_id == video_id))
            return row.status, row.status_message or "", next(iter(kinds)) or ""

    def _make(self, video_id: int) -> tuple[str, str, str]:
        run = RunInfo(uuid4().hex, make_fence(utc_now(), "x"))
        for stage in Stage:
            try:
                with opened(self.platform, stage, video_id, run, self._recipe(stage, video_id)) as (artifact, recipe):
                    manifest = artifact.seal()
                    publish_or_withdraw(self.platform, manifest)
                recipe.describe(manifest)
            except Exception as error:
                kind = {PermanentError: "permanent", TransientError: "transient"}.get(type(error), "unknown")
                if kind == "unknown":
                    traceback.print_exc()
                return "failed", f"{stage.value}: {plain_words(error)}", kind
        return "ready", "", ""

    def _recipe(self, stage: Stage, video_id: int) -> Recipe:
        needed = {
            Stage.UPLOADS: (), Stage.VARIANTS: (Stage.UPLOADS,), Stage.TRANSCRIPTS: (Stage.UPLOADS,),
            Stage.SUMMARIES: (Stage.TRANSCRIPTS,), Stage.SEARCH_DOCUMENTS: (Stage.SUMMARIES, Stage.TRANSCRIPTS),
        }[stage]  # fmt: skip
        given = [current(self.platform.storage, video_id, one) for one in needed]
        module = {
            Stage.UPLOADS: uploads, Stage.VARIANTS: variants, Stage.TRANSCRIPTS: transcripts,
            Stage.SUMMARIES: summaries, Stage.SEARCH_DOCUMENTS: search_documents,
        }[stage]  # fmt: skip
        recipe: Recipe = module.recipe(self.platform, video_id, *given)
        return recipe

    def _left(self, before: set[int]) -> Iterator[str]:
        for child in psutil.Process().children(recursive=True):
            if child.pid not in before and child.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(child.cmdline())
        yield from (str(path) for path in self.settings.work_folder.rglob("*") if path.is_file())


def main(how: str, folder: Path, port: int, names: list[str]) -> None:
    wanted = {file.name: file for file in [*corpus.FILES, HONEST]}
    kit = corpus.kit_in(folder, port)
    settings = settings_in(folder)
    with open_instance(settings) if how == "graph" else nullcontext() as instance:
        court = Court(folder, settings, instance)
        for name in names or wanted:
            print(json.dumps(dataclasses.asdict(court.judge(kit, wanted[name]))), flush=True)


def settings_in(folder: Path) -> Settings:
    """Small rungs, and the tests' own recogniser."""
    return Settings(
        home=folder / "home", min_free_bytes=0, ladder="90,48", heartbeat_seconds=0.5, whisper_model=str(MODEL)
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
