"""Processes files in this process: runs the graph, applies the event log meanwhile, and collects the outcomes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from video_assets.cli.outcome import Outcome, uploaded
from video_assets.cli.render.output import Output
from video_assets.cli.render.progress import shown
from video_assets.cli.stopping import Interrupts
from video_assets.clock import utc_now
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake.identity import must_match
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.runs import launches
from video_assets.settings import Settings
from video_assets.systems import Systems

if TYPE_CHECKING:
    from video_assets.defs.event_log.projector import Projector
    from video_assets.defs.instance.opening import Instance, Run
    from video_assets.defs.runner import Graph

PUMP_SECONDS = 0.5


class Processing:
    """The graph, a Dagster instance and a projector, open for the duration of one command."""

    def __init__(self, output: Output, interrupts: Interrupts, *, force: bool) -> None:
        self.outcomes: list[Outcome] = []
        self.interrupted = False
        self._output = output
        self._interrupts = interrupts
        self._force = force
        self._settings = Settings.load()
        self._systems = Systems(self._settings)
        self._claim = f"process:{socket.gethostname()}:{os.getpid()}"
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Processing:
        from video_assets.defs.event_log.projector import Projector
        from video_assets.defs.instance.opening import open_instance

        self._instance = self._open.enter_context(open_instance(self._settings))
        self._projector = Projector(self._systems)
        from video_assets.definitions import build_defs

        self._definitions: Graph = build_defs(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def take(
        self, files: Sequence[Path], video_ids: Sequence[int], *, title: str | None, captions: Path | None
    ) -> None:
        """Processes each file, then each video, one after the other. An error with one does not stop the others."""
        todo: list[tuple[Outcome, Callable[[], int]]] = [
            (Outcome(str(file)), partial(self._taken_in, file, title, captions)) for file in files
        ]
        todo += [(Outcome(None, each), partial(self._check_video, each)) for each in dict.fromkeys(video_ids)]
        try:
            for outcome, begin in todo:
                self.outcomes.append(outcome)
                try:
                    outcome.id = begin()
                except (PermanentError, TransientError) as error:
                    outcome.status_message = one_line(error)
                    continue
                self._run(outcome)
                if self.interrupted:
                    return
        except KeyboardInterrupt:
            self.interrupted = True

    def _taken_in(self, file: Path, title: str | None, captions: Path | None) -> int:
        return take_in(
            file,
            NewVideo(title, claimed_by=self._claim),
            database=self._systems.database,
            storage=self._systems.storage,
            settings=self._settings,
            captions=captions,
        ).id

    def _check_video(self, video_id: int) -> int:
        from video_assets.defs.operations.unfinished import end_dead_runs, unfinished_runs
        from video_assets.runs.liveness import Silences

        must_match(self._systems.database, self._systems.storage)
        with self._systems.database.read() as session:
            uploaded(session, video_id)
        # Otherwise a run whose worker was killed would block the video for ever.
        end_dead_runs(self._systems, self._instance, Silences())
        going = unfinished_runs(self._instance, video_id)
        if going:
            raise PermanentError(
                f"video {video_id} is being worked on by run {going[0].run_id[:8]}; "
                f"`video-assets status {video_id} --watch` follows it, `video-assets cancel {video_id}` stops it"
            )
        return video_id

    def _run(self, outcome: Outcome) -> None:
        from video_assets.defs.event_log.records import newest_storage_id
        from video_assets.defs.runner import LAUNCH_TAG, run_of_launch, run_video

        video_id = outcome.id or 0
        with self._systems.database.write() as session:
            run_key = launches.claim(session, video_id, claimed_by=self._claim, reason="process", now=utc_now())
        # An open launch keeps its run key, so there may be an older, killed run with the same key.
        before = run_of_launch(self._instance, run_key)

        def ours() -> Run | None:
            run = run_of_launch(self._instance, run_key)
            return run if run and (before is None or run.run_id != before.run_id) else None

        pump = _Pump(self._projector, self._instance, newest_storage_id(self._instance), ours)
        run_id: str | None = None
        self._interrupts.first = lambda: self._mark_canceling(video_id)
        with shown(self._output, self._systems.database, video_id):
            try:
                with pump.going(), self._log():
                    run_id = run_video(
                        self._definitions,
                        self._instance,
                        video_id,
                        reason="process",
                        force=self._force,
                        tags={LAUNCH_TAG: run_key},
                    )
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                self._interrupts.first = None
            self.interrupted = self.interrupted or self._interrupts.received > 0
            if run_id is None and (run := ours()):
                run_id = run.run_id
            pump.to_the_end()
        self._tell(outcome, run_id)
        if run_id is not None:
            with self._systems.database.write() as session:
                launches.close_answered(session, {run_key: run_id}, now=utc_now())
        self._systems.drain_outbox()

    def _mark_canceling(self, video_id: int) -> None:
        from video_assets.defs.operations.unfinished import unfinished_runs

        for run in unfinished_runs(self._instance, video_id):
            self._instance.report_run_canceling(run, message="Ctrl-C")

    def _tell(self, outcome: Outcome, run_id: str | None) -> None:
        with self._systems.database.read() as session:
            outcome.read(session, run_id)
        for step in self._instance.get_run_step_stats(run_id) if run_id else ():
            made = step.status is not None and step.status.value == "SUCCESS"
            if made and step.start_time is not None and step.end_time is not None:
                outcome.seconds[step.step_key] = round(step.end_time - step.start_time, 3)

    @contextlib.contextmanager
    def _log(self) -> Iterator[None]:
        """For the block, sends what Dagster writes to stderr into a log file, so that the progress stays readable."""
        folder = self._settings.home / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "process.log").open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
            yield


class _Pump:
    """A thread that applies the event log to the tables, as the status sensor would, and interrupts this process when
    the run is ended from elsewhere (`cancel`, the UI, reconcile), of which no launcher would tell us."""

    def __init__(
        self,
        projector: Projector,
        instance: Instance,
        cursor: int,
        run: Callable[[], Run | None],
    ) -> None:
        self._run = run
        self._projector = projector
        self._instance = instance
        self._cursor = cursor
        self._ended = threading.Event()

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """Runs the thread for the block."""
        thread = threading.Thread(target=self._go, name="projection", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def to_the_end(self) -> None:
        """Applies the events so far. Raises errors, which the thread ignores while the run is going."""
        self._cursor, _ = self._projector.advance(self._instance, self._cursor)

    def _go(self) -> None:
        while not self._ended.wait(PUMP_SECONDS):
            # A persistent error is met again at the end, by `to_the_end`, which raises it.
            with contextlib.suppress(Exception):
                self.to_the_end()
                if self._ended_by_others():
                    os.kill(os.getpid(), signal.SIGTERM)
                    return

    def _ended_by_others(self) -> bool:
        run = self._run()
        return run is not None and run.status.value in ("CANCELING", "CANCELED", "FAILURE") and not self._ended.is_set()
