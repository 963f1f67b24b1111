"""How often a sensor looks within one tick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

ROUND_SECONDS = 5.0
"""Dagster's daemon comes round to each sensor so often, whatever shorter interval the sensor asks for
(`MIN_INTERVAL_LOOP_TIME`)."""


def looks(
    pause: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """The looks of one tick, `pause` seconds apart. The last is one after which another that takes as long would end
    less than a pause before the daemon's next round; a pause as long as the round leaves one look.

    An upload would wait half a round for its run, and its status as long again for what the run has done: five
    seconds on average, beside two of work.
    """
    until = clock() + ROUND_SECONDS - pause
    while True:
        begun = clock()
        yield
        took = clock() - begun
        if clock() + pause + took > until:
            return
        sleep(pause)
