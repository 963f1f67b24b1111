"""Decides which videos get a run now. Pure: from rows to launches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from video_assets.settings import Settings

SENSOR = "uploads_sensor"
"""The value of `claimed_by` in launches that the uploads sensor requests."""


_CLOCKS_DIFFER = timedelta(seconds=5)


@dataclass(frozen=True)
class Waiting:
    """A pending video without a queued or started run and without an open launch."""

    video_id: int
    created_at: datetime
    reason: str
    """`upload` for its first run, else `relaunch`."""


@dataclass(frozen=True)
class OpenLaunch:
    """A run that was requested and has no attempt in the tables yet."""

    video_id: int
    run_key: str
    claimed_by: str
    reason: str
    created_at: datetime
    requested_at: datetime | None
    run_id: str | None


@dataclass(frozen=True)
class Launch:
    """A run to request. Without a run key it is a new launch."""

    video_id: int
    reason: str
    run_key: str | None = None
    requested_at: datetime | None = None
    """When it was last requested, at the time of the decision; None for a new launch."""
    remake: tuple[str, ...] = ()
    """Stages that the run makes again even where they are fresh."""


def due(
    waiting: Sequence[Waiting],
    live_launches: Sequence[OpenLaunch],
    free_slots: int,
    now: datetime,
    settings: Settings,
) -> list[Launch]:
    """The runs to request now. First open launches that still show no run, under their old run key, so that Dagster
    does not create a second run; then waiting videos, oldest first. At most two runs per free slot are queued, since
    creating a run takes a while and a waiting video keeps its place without one."""
    asked = [launch for launch in live_launches if launch.run_id is None]
    again = [launch for launch in asked if _unanswered(launch, now, settings.launch_timeout_seconds)]
    pending = sum(launch.claimed_by == SENSOR for launch in asked) - sum(each.claimed_by == SENSOR for each in again)
    room = max(2 * free_slots - pending, 0)
    taken = {launch.video_id for launch in live_launches}
    launches = [Launch(each.video_id, each.reason, each.run_key, each.requested_at) for each in sorted(again, key=_age)]
    launches += [
        Launch(each.video_id, each.reason)
        for each in sorted(waiting, key=lambda each: (each.created_at, each.video_id))
        if each.video_id not in taken
    ]
    return launches[:room]


def _unanswered(launch: OpenLaunch, now: datetime, timeout_seconds: float) -> bool:
    if launch.claimed_by == SENSOR and launch.requested_at is None:
        return True  # written by a command, for the sensor to request
    ago = now - (launch.requested_at or launch.created_at)
    # A time in the future comes from a clock that was ahead. Requesting it again under its key makes no second run.
    return ago > timedelta(seconds=timeout_seconds) or ago < -_CLOCKS_DIFFER


def _age(launch: OpenLaunch) -> tuple[datetime, int]:
    return (launch.created_at, launch.video_id)
