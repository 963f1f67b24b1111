"""Which videos get a run now. A pure decision over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from video_assets.settings import Settings

SENSOR = "uploads_sensor"
"""Who claims launches that the uploads sensor is to request."""


_CLOCKS_DIFFER = timedelta(seconds=5)


@dataclass(frozen=True)
class Waiting:
    """A pending video that no run is going or queued for, and none was asked for."""

    video_id: int
    created_at: datetime
    reason: str
    """`upload` for its first run, else `relaunch`."""


@dataclass(frozen=True)
class OpenLaunch:
    """A run that was asked for and of which nothing was seen in the tables yet."""

    video_id: int
    run_key: str
    claimed_by: str
    reason: str
    created_at: datetime
    requested_at: datetime | None
    run_id: str | None


@dataclass(frozen=True)
class Launch:
    """A run to request. Without a run key it is a new one."""

    video_id: int
    reason: str
    run_key: str | None = None
    requested_at: datetime | None = None
    """When it was last requested, as far as the decision knew; of a new one, never."""


def due(
    waiting: Sequence[Waiting],
    live_launches: Sequence[OpenLaunch],
    free_slots: int,
    now: datetime,
    settings: Settings,
) -> list[Launch]:
    """What to request now: first what was asked for before and shows no run, under its same key, by which
    Dagster tells it from a new one; then waiting videos, oldest first. At most two a free slot are queued: a
    run takes a while to create, and waiting videos need none to keep their place."""
    asked = [launch for launch in live_launches if launch.run_id is None]
    again = [launch for launch in asked if _unanswered(launch, now, settings.launch_timeout_seconds)]
    under_way = sum(launch.claimed_by == SENSOR for launch in asked) - sum(each.claimed_by == SENSOR for each in again)
    room = max(2 * free_slots - under_way, 0)
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
        return True  # a retry: written by somebody else for the sensor to request
    ago = now - (launch.requested_at or launch.created_at)
    # One of the future is of a clock that was ahead. Asked again under its same key it is no second run.
    return ago > timedelta(seconds=timeout_seconds) or ago < -_CLOCKS_DIFFER


def _age(launch: OpenLaunch) -> tuple[datetime, int]:
    return (launch.created_at, launch.video_id)
