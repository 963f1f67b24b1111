"""Decides which runs are dead. Pure: from run states and heartbeats to verdicts.

Nothing else notices: a killed worker leaves its run `started` for ever, and Dagster's own run monitoring takes healthy
runs that queue for long for dead.

Clocks step, and the clocks of two machines differ. So heartbeats carry the database's time, and a process that looks
repeatedly (`Silences`) measures the silence of a run with its own monotonic clock. A clock that was ahead once hid dead
runs for two hours; a clock that is set forward would make every healthy run look dead.
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
    """An unfinished run: its state, and since when it is in it."""

    run_id: str
    state: str
    """`created` (not in the queue yet), `starting`, `started` or `canceling`."""
    since: datetime


@dataclass(frozen=True)
class Verdict:
    """A dead run: the cause to end it with, and the message for the user."""

    run_id: str
    kind: Kind
    message: str


CREATED_SECONDS = 20.0
"""A process that creates a run puts it into the queue right away; after this long it must have died in between."""


class Silences:
    """How long each run has been silent, for a process that looks repeatedly. Not thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: dict[str, tuple[object, float]] = {}
        """Run id → its last sign of life, and when that was first seen, by the monotonic clock."""

    def seconds(self, runs: Sequence[RunSeen], beats: Mapping[str, datetime], now: datetime) -> dict[str, float]:
        """Run id → seconds of silence. A run that is seen for the first time is judged by the wall clock, where a time
        in the future counts as now."""
        at = self._monotonic()
        known, self._last = self._last, {}
        for run in runs:
            beat = beats.get(run.run_id)
            sign = (run.state, run.since, beat)
            if run.run_id in known:
                sign_before, since = known[run.run_id]
                self._last[run.run_id] = (sign, since if sign_before == sign else at)
            else:
                # A change of state is a sign of life like a heartbeat; the later of the two counts.
                by_the_clock = (now - max(run.since, beat or run.since)).total_seconds()
                self._last[run.run_id] = (sign, at - max(by_the_clock, 0.0))
        return {run_id: at - since for run_id, (_, since) in self._last.items()}


def dead_runs(
    runs: Sequence[RunSeen], beats: Mapping[str, datetime], silent: Mapping[str, float], settings: Settings
) -> list[Verdict]:
    """The dead runs among these. `beats`: run id → last heartbeat, for runs that had one. `silent`: run id → seconds of
    silence.

    A run without any heartbeat has START_TIMEOUT seconds to reach its first stage. A run with heartbeats, or one that
    is being canceled, is dead after WORKER_LOST seconds of silence. A run that was created and is not in the queue
    after `CREATED_SECONDS` is dead: its creator was killed in between.
    """
    judged = (_verdict(run, run.run_id in beats, silent[run.run_id], settings) for run in runs)
    return [verdict for verdict in judged if verdict]


def _verdict(run: RunSeen, beat: bool, silent: float, settings: Settings) -> Verdict | None:
    if silent <= _longest_silence(run, beat, settings):
        return None
    seconds = int(silent)
    if run.state == "created":
        return Verdict(run.run_id, LAUNCH_LOST, f"the run did not come into the queue in {seconds} s; try again")
    if run.state == "canceling":
        return Verdict(run.run_id, "canceled", f"canceled; its worker had been silent for {seconds} s")
    if not beat:
        return Verdict(run.run_id, LAUNCH_LOST, f"the run did not reach its first stage in {seconds} s; try again")
    return Verdict(run.run_id, WORKER_LOST, f"the worker has been silent for {seconds} s; try again")


def _longest_silence(run: RunSeen, beat: bool, settings: Settings) -> float:
    if run.state == "created":
        return CREATED_SECONDS
    return settings.worker_lost_seconds if beat or run.state == "canceling" else settings.start_timeout_seconds
