"""Restarts Dagster's daemon when the clock is set back.

The daemon waits by the wall clock: after the clock is set back by two hours, it takes no run from the queue, and
perhaps evaluates no sensor, for two hours. A restart takes some seconds and loses nothing: interrupted work is resumed
as after any other end of the daemon.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
STEP_SECONDS = 2.0
"""Smaller steps are ignored: time synchronisation makes them all the time, and waiting that much longer does no
harm."""


def set_back(ahead_before: float, ahead_now: float) -> bool:
    """Whether the wall clock was set back between two looks. Each argument is the wall clock minus the monotonic clock,
    in seconds."""
    return ahead_now < ahead_before - STEP_SECONDS


def begin_anew_when_the_clock_is_set_back(
    begin_anew: Callable[[], object] | None = None, *, look_seconds: float = LOOK_SECONDS
) -> threading.Thread:
    """Starts a thread that watches the clock. When it is set back, the thread calls `begin_anew`; by default this
    process is replaced by a new start of the same program."""

    def watch() -> None:
        before = time.time() - time.monotonic()
        while True:
            time.sleep(look_seconds)
            now = time.time() - time.monotonic()
            if set_back(before, now):
                log.warning("the clock was set back by %.0f s; the daemon begins anew", before - now)
                (begin_anew or _begin_anew)()
                return
            before = now

    thread = threading.Thread(target=watch, name="clock", daemon=True)
    thread.start()
    return thread


def _begin_anew() -> None:
    """Replaces this process by the same program with the same arguments. The pid stays, so its parent notices
    nothing."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
