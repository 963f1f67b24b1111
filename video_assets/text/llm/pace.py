"""A rate limiter: starts each call as soon as the server's limits for a minute allow, and no sooner."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from video_assets.errors import PermanentError

WINDOW_SECONDS = 60.0
MARGIN = 1.01
"""Factor on the window: the time between two calls' arrivals can be a little shorter than between their starts."""


@dataclass(frozen=True)
class Rate:
    """What a server allows in any minute. 0: no limit."""

    requests: int = 0
    tokens: int = 0


def earliest(started: Sequence[tuple[float, int]], tokens: int, rate: Rate, window: float) -> float:
    """The earliest time at which a call of `tokens` tokens may start.

    `started`: (time, tokens) of the calls so far, rising. Starting each call at its earliest time is optimal: no window
    holds more than the rate allows, and delaying a call never lets a later one start sooner.
    """
    moment = 0.0
    if rate.requests and len(started) >= rate.requests:
        moment = started[-rate.requests][0] + window
    if rate.tokens:
        room = rate.tokens - tokens
        for begun, size in reversed(started):
            room -= size
            if room < 0:
                moment = max(moment, begun + window)
                break
    return moment


class Pace:
    """Lets calls start as fast as the rate allows, in the order in which they come. All threads of a process share it.
    Several processes must divide the server's rate among them by their settings."""

    def __init__(
        self,
        rate: Rate,
        *,
        window: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate, self.window, self._clock, self._sleep = rate, window * MARGIN, clock, sleep
        self._turn, self._guard = threading.Lock(), threading.Lock()
        self._started: list[tuple[float, int]] = []
        self._not_before = 0.0

    def wait(self, tokens: int) -> None:
        """Returns when a call of this many tokens (question and answer) may start. Raises PermanentError if it is more
        than the rate ever allows."""
        if self.rate.tokens and tokens > self.rate.tokens:
            raise PermanentError(
                f"one call takes {tokens} tokens and VIDEO_ASSETS_SUMMARY_TOKENS_PER_MINUTE allows {self.rate.tokens}; "
                "raise it, or unset it where the server has no such limit"
            )
        with self._turn:  # one thread at a time, in the order in which they came
            while (pause := self._pause(tokens)) > 0:
                self._sleep(pause)

    def hold(self, seconds: float) -> None:
        """No call starts for this many seconds, since the server asked for a pause."""
        with self._guard:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def _pause(self, tokens: int) -> float:
        """Seconds still to wait. If there are none (0 or less), the call counts as started now."""
        with self._guard:
            now = self._clock()
            limited = bool(self.rate.requests or self.rate.tokens)
            allowed = earliest(self._started, tokens, self.rate, self.window) if limited else 0.0
            pause = max(allowed, self._not_before) - now
            if pause <= 0 and limited:
                del self._started[: bisect_left(self._started, (now - self.window, 0))]
                self._started.append((now, tokens))
            return pause
