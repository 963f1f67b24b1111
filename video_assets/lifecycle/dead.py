"""Which runs are dead: a pure decision. No launcher notices a killed worker, so the heartbeat must tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from video_assets.settings import Settings

WORKER_LOST, LAUNCH_LOST, CANCELED = "worker_lost", "launch_lost", "canceled"


@dataclass(frozen=True)
class RunSeen:
    """An unfinished run as Dagster has it."""

    run_id: str
    state: str
    """`starting`, `started` or `canceling`."""
    since: datetime
    """When it came into this state, or later."""


@dataclass(frozen=True)
class Verdict:
    """A run to end, and how."""

    run_id: str
    kind: str
    """`worker_lost` or `launch_lost` (to be launched again), `canceled`."""
    message: str


def dead_runs(
    runs: Sequence[RunSeen], beats: Mapping[str, datetime], now: datetime, settings: Settings
) -> list[Verdict]:
    """The dead among these runs. `beats`: run id → last heartbeat."""
    verdicts = (_verdict(run, beats.get(run.run_id), now, settings) for run in runs)
    return [verdict for verdict in verdicts if verdict is not None]


def _verdict(run: RunSeen, beat: datetime | None, now: datetime, settings: Settings) -> Verdict | None:
    silent = (now - max(run.since, beat or run.since)).total_seconds()
    if run.state == "starting":
        if silent > settings.start_timeout_seconds:
            return Verdict(run.run_id, LAUNCH_LOST, f"the run did not start within {silent:.0f} s")
    elif silent > settings.worker_lost_seconds:
        if run.state == "canceling":
            return Verdict(run.run_id, CANCELED, "canceled; its worker did not answer")
        return Verdict(run.run_id, WORKER_LOST, f"the worker has not been heard of for {silent:.0f} s")
    return None
