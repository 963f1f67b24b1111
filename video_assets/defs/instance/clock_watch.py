"""A daemon whose clock is set back begins anew.

Dagster's daemon waits by the clock: set back by two hours, it takes no run from the queue and may evaluate no sensor
for that long. Nothing is lost by starting it again, which takes some seconds, and what it left half-done it finds as
after any other end.
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
"""The clock is corrected by less all the time, and a wait that is so much longer does no harm."""


def set_back(ahead_before: float, ahead_now: float) -> bool:
    """Whether the clock was set back between two looks at how far it is ahead of the steady one, seconds."""
    return ahead_now < ahead_before - STEP_SECONDS


def begin_anew_when_the_clock_is_set_back(
    begin_anew: Callable[[], object] | None = None, *, look_seconds: float = LOOK_SECONDS
) -> threading.Thread:
    """Watches from now on, in a thread of its own; where the clock is set back, replaces this process by itself."""

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
    """The same program with the same arguments, as the same process: whoever started it notices nothing."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
