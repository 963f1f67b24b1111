"""Whom to launch: a pure decision over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from video_assets.settings import Settings

QUEUED_PER_SLOT = 2
"""Runs queued for each free slot: creating one takes a fifth of a second, so a slot should never wait for it,
while the videos that wait in the table need no run."""


@dataclass(frozen=True)
class Waiting:
    """A pending video that has no run and for which none is asked."""

    video_id: int
    created_at: datetime


@dataclass(frozen=True)
class OpenLaunch:
    """A run that was asked for and has not been seen."""

    video_id: int
    run_key: str
    reason: str
    requested_at: datetime | None
    """None: nobody has launched it yet."""


@dataclass(frozen=True)
class Launch:
    """A run to ask Dagster for."""

    video_id: int
    reason: str
    run_key: str | None = None
    """The key of the launch it repeats: Dagster starts one run a key. None: a new launch."""


def due(
    waiting: Sequence[Waiting], open_launches: Sequence[OpenLaunch], free_slots: int, now: datetime, settings: Settings
) -> list[Launch]:
    """What to launch now, oldest first: what somebody asked for, what was asked for and never came, and
    pending videos, as far as there is room. Of each video one."""
    room = max(free_slots, 0) * QUEUED_PER_SLOT
    unanswered = now - timedelta(seconds=settings.launch_timeout_seconds)
    asked = [
        Launch(launch.video_id, launch.reason, launch.run_key)
        for launch in open_launches
        if launch.requested_at is None or launch.requested_at <= unanswered
    ]
    under_way = len(open_launches) - len(asked)
    new = [
        Launch(video.video_id, "upload")
        for video in sorted(waiting, key=lambda each: (each.created_at, each.video_id))
        if video.video_id not in {launch.video_id for launch in open_launches}
    ]
    return (asked + new)[: max(room - under_way, 0)]
