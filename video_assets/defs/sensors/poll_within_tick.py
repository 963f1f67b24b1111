"""Lets a sensor look several times within one tick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

ROUND_SECONDS = 5.0
"""How often Dagster's daemon evaluates each sensor, even if the sensor asks for a shorter interval
(`MIN_INTERVAL_LOOP_TIME`)."""


def looks(
    pause: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Yields once for each look of a tick, with `pause` seconds in between. Stops when another look of the same length
    would end less than a pause before the daemon's next round. With a pause as long as the round there is one look.

    Without this an upload would wait half a round for its run, and its status another half: five seconds on average,
    for two seconds of work.
    """
    until = clock() + ROUND_SECONDS - pause
    while True:
        begun = clock()
        yield
        took = clock() - begun
        if clock() + pause + took > until:
            return
        sleep(pause)
