"""Leaves the processing to the daemon and its workers, and watches the tables until each video is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from video_assets.cli.outcome import Outcome, uploaded
from video_assets.cli.render.output import Output
from video_assets.cli.render.progress import shown
from video_assets.clock import utc_now
from video_assets.database.models import AttemptRow
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.library import queries
from video_assets.library.views import SETTLED
from video_assets.runs import launches
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import RunState

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""If no run has begun after this long, a note says how to find out whether there is a daemon."""


class Following:
    """Like `Processing`, but the runs are executed elsewhere: all files are taken in first, then followed."""

    def __init__(self, output: Output, settings: Settings) -> None:
        self.outcomes: list[Outcome] = []
        self.interrupted = False
        self._output = output
        self._settings = settings
        self._systems = Systems(settings)

    def take(
        self, files: Sequence[Path], video_ids: Sequence[int], *, title: str | None, captions: Path | None
    ) -> None:
        """Takes in each file, asks for a run of each video, then follows all. An error with one does not stop the
        others."""
        todo: list[tuple[Outcome, Callable[[Outcome], int]]] = [
            (Outcome(str(file)), partial(self._taken_in, file, title, captions)) for file in files
        ]
        todo += [(Outcome(None, each), self._request_run) for each in dict.fromkeys(video_ids)]
        follow: list[tuple[Outcome, int]] = []
        try:
            for outcome, begin in todo:
                self.outcomes.append(outcome)
                try:
                    follow.append((outcome, begin(outcome)))
                except (PermanentError, TransientError) as error:
                    outcome.status_message = one_line(error)
            for outcome, before in follow:
                self._follow(outcome, before)
        except KeyboardInterrupt:
            self.interrupted = True
            for outcome, _ in follow:
                self._read(outcome, None)

    def _taken_in(self, file: Path, title: str | None, captions: Path | None, outcome: Outcome) -> int:
        outcome.id = take_in(
            file,
            NewVideo(title),
            database=self._systems.database,
            storage=self._systems.storage,
            settings=self._settings,
            captions=captions,
        ).id
        return 0

    def _request_run(self, outcome: Outcome) -> int:
        """Requests a run, unless one is going; returns the number of the last attempt that has ended."""
        video_id = outcome.id or 0
        with self._systems.database.write() as session:
            uploaded(session, video_id)
            attempts = queries.attempts(session, video_id)
            if not attempts or _ended(attempts[-1]):
                launches.request(session, video_id, reason="process", now=utc_now())
            return max((each.number for each in attempts if _ended(each)), default=0)

    def _follow(self, outcome: Outcome, before: int) -> None:
        video_id, noted, begun = outcome.id or 0, False, time.monotonic()
        with shown(self._output, self._systems.database, video_id):
            while True:
                run_id = None
                with self._systems.database.read() as session:
                    video = queries.video(session, video_id)
                    later = [each for each in queries.attempts(session, video_id) if each.number > before]
                    over = video is None or is_over(video.status, later)
                    run_id = later[-1].run_id if later else None
                if over:
                    break
                if not later and not noted and time.monotonic() - begun > PATIENCE_SECONDS:
                    noted = True
                    self._output.note(f"video {video_id} waits for a run; `video-assets doctor` says if a daemon is up")
                time.sleep(LOOK_SECONDS)
        self._read(outcome, run_id)

    def _read(self, outcome: Outcome, run_id: str | None) -> None:
        with self._systems.database.read() as session:
            outcome.read(session, run_id)
            made = [row for row in queries.artifacts(session, outcome.id or 0) if row.run_id == run_id]
            outcome.seconds = {row.artefact: float(row.cost.get("wall_seconds", 0.0)) for row in made}


def is_over(status: str, attempts: Sequence[AttemptRow]) -> bool:
    """Whether a video is done. `attempts`: those since the run was requested. A video whose worker was lost is pending
    again and gets another run; a ready video stays ready while a run goes, so its last attempt must have ended."""
    return status in SETTLED and bool(attempts) and _ended(attempts[-1])


def _ended(attempt: AttemptRow) -> bool:
    return attempt.state not in (RunState.QUEUED.value, RunState.STARTED.value)
