"""Which runs are dead. A pure decision over what was seen of them.

Nobody else notices: a killed worker leaves its run `started` for ever, and the orchestrator's own monitoring
takes healthy runs that queue for long for dead.

Clocks step, and those of two machines differ. So heartbeats carry the database's time, and whoever looks again and
again (`Silences`) goes by how long a run has said nothing new on his own steady clock: a clock that was ahead hid dead
runs for two hours, and one that is set forward would take every healthy run for dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from video_assets.settings import Settings
from video_assets.videos import LAUNCH_LOST, WORKER_LOST, EndCause

Kind = EndCause | Literal["canceled"]


@dataclass(frozen=True)
class RunSeen:
    """An unfinished run, where it stands and since when."""

    run_id: str
    state: str
    """`created` (and not in the queue yet), `starting`, `started` or `canceling`."""
    since: datetime


@dataclass(frozen=True)
class Verdict:
    """A run that is dead: how to end it, and the words for its user."""

    run_id: str
    kind: Kind
    message: str


CREATED_SECONDS = 20.0
"""Who creates a run puts it into the queue in the next moment, unless he dies in between."""


class Silences:
    """How long each run has said nothing new, for one who looks again and again. Not for several threads at once."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._heard: dict[str, tuple[object, float]] = {}
        """Run id → what it said last, and when that was, by the steady clock."""

    def seconds(self, runs: Sequence[RunSeen], beats: Mapping[str, datetime], now: datetime) -> dict[str, float]:
        """Run id → seconds. Of a run that is seen for the first time it is what the clocks say, but never what lies
        in the future."""
        moment = self._steady()
        known, self._heard = self._heard, {}
        for run in runs:
            beat = beats.get(run.run_id)
            said = (run.state, run.since, beat)
            if run.run_id in known:
                before, heard = known[run.run_id]
                self._heard[run.run_id] = (said, heard if before == said else moment)
            else:
                # A beat counts from before the state changed too, but a state that has just changed is a sign of life.
                by_the_clock = (now - max(run.since, beat or run.since)).total_seconds()
                self._heard[run.run_id] = (said, moment - max(by_the_clock, 0.0))
        return {run_id: moment - heard for run_id, (_, heard) in self._heard.items()}


def dead_runs(
    runs: Sequence[RunSeen], beats: Mapping[str, datetime], silent: Mapping[str, float], settings: Settings
) -> list[Verdict]:
    """The runs among these that nobody works on. `beats`: run id → last heartbeat, for those that had one; `silent`:
    run id → seconds since it said anything.

    A run that never beat has until START_TIMEOUT to come to its first stage; one that did and fell silent is
    lost after WORKER_LOST; one that is being canceled is over once it is silent; one that was created but never came
    into the queue (its creator was killed in between) is found soon.
    """
    judged = (_verdict(run, run.run_id in beats, silent[run.run_id], settings) for run in runs)
    return [verdict for verdict in judged if verdict]


def _verdict(run: RunSeen, beat: bool, silent: float, settings: Settings) -> Verdict | None:
    if silent <= _patience(run, beat, settings):
        return None
    seconds = int(silent)
    if run.state == "created":
        return Verdict(run.run_id, LAUNCH_LOST, f"the run did not come into the queue in {seconds} s; try again")
    if run.state == "canceling":
        return Verdict(run.run_id, "canceled", f"canceled; its worker had been silent for {seconds} s")
    if not beat:
        return Verdict(run.run_id, LAUNCH_LOST, f"the run did not reach its first stage in {seconds} s; try again")
    return Verdict(run.run_id, WORKER_LOST, f"the worker has been silent for {seconds} s; try again")


def _patience(run: RunSeen, beat: bool, settings: Settings) -> float:
    if run.state == "created":
        return CREATED_SECONDS
    return settings.worker_lost_seconds if beat or run.state == "canceling" else settings.start_timeout_seconds
