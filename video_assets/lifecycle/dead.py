"""Which runs are dead. A pure decision over what was seen of them.

Nobody else notices: a killed worker leaves its run `started` for ever, and the orchestrator's own monitoring
takes healthy runs that queue for long for dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from video_assets.settings import Settings

Kind = Literal["worker_lost", "launch_lost", "canceled"]


@dataclass(frozen=True)
class RunSeen:
    """An unfinished run, where it stands and since when."""

    run_id: str
    state: str
    """`starting`, `started` or `canceling`."""
    since: datetime


@dataclass(frozen=True)
class Verdict:
    """A run that is dead: how to end it, and the words for its user."""

    run_id: str
    kind: Kind
    message: str


def dead_runs(
    runs: Sequence[RunSeen], beats: Mapping[str, datetime], now: datetime, settings: Settings
) -> list[Verdict]:
    """The runs among these that nobody works on. `beats`: run id → last heartbeat, for those that had one.

    A run that never beat has until START_TIMEOUT to come to its first stage; one that did and fell silent is
    lost after WORKER_LOST; one that is being canceled is over once it is silent.
    """
    return [verdict for run in runs if (verdict := _verdict(run, beats.get(run.run_id), now, settings))]


def _verdict(run: RunSeen, beat: datetime | None, now: datetime, settings: Settings) -> Verdict | None:
    # A beat counts from before the state changed too, but a state that has just changed is a sign of life.
    silent = now - max(run.since, beat or run.since)
    patience = settings.worker_lost_seconds if beat or run.state == "canceling" else settings.start_timeout_seconds
    if silent <= timedelta(seconds=patience):
        return None
    seconds = int(silent.total_seconds())
    if run.state == "canceling":
        return Verdict(run.run_id, "canceled", f"canceled; its worker had been silent for {seconds} s")
    if beat is None:
        return Verdict(run.run_id, "launch_lost", f"the run did not reach its first stage in {seconds} s; try again")
    return Verdict(run.run_id, "worker_lost", f"the worker has been silent for {seconds} s; try again")
