"""Writes progress into the run's log. Seldom, because each line is an event in Dagster's database."""

from __future__ import annotations

import time
from collections.abc import Callable

from video_assets.defs.metadata import clock
from video_assets.media.sandbox.process import Progress

LOG_SECONDS = 60.0
"""Time between two lines, and before the first; shorter work logs nothing."""


def seldom(
    say: Callable[[str], object], what: str, *, every: float = LOG_SECONDS, now: Callable[[], float] = time.monotonic
) -> Callable[[Progress], None]:
    """A listener for progress that calls `say` with a line at most every so many seconds."""
    last = now()

    def listen(progress: Progress) -> None:
        nonlocal last
        if now() - last >= every:
            last = now()
            say(line(what, progress))

    return listen


def line(what: str, progress: Progress) -> str:
    """`encoding: 42 %, 1.3 times real time, 2:10 left`; unknown figures are left out."""
    parts = [f"{100 * progress.fraction:.0f} %" if progress.fraction is not None else f"{clock(progress.seconds_done)}"]
    parts += [f"{progress.speed:.1f} times real time"] if progress.speed else []
    parts += [f"{clock(progress.eta_seconds)} left"] if progress.eta_seconds else []
    return f"{what}: {', '.join(parts)}"
