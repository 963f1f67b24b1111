"""The retry policy of a single call: how many tries, and which pauses between them.

Retrying a whole stage is not here: Dagster does that (`defs/failures.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from video_assets.errors import TransientError

JITTER = 0.25
"""Each pause is lengthened at random by up to this share, so that clients that failed together do not all retry at the
same moment."""

T = TypeVar("T")
Sleep = Callable[[float], None]
"""Waits so many seconds. A caller that must write heartbeats meanwhile passes its own."""


def growing(number: int, *, first: float, growth: float) -> float:
    """Seconds of the pause with this number, counted from 0."""
    return first * growth**number


@dataclass(frozen=True)
class Policy:
    """How often a call is tried, and the pauses between the tries."""

    tries: int
    """The first one included."""
    first: float = 1.0
    """Seconds of the first pause. Each is `growth` times the one before, and none is longer than `longest`."""
    growth: float = 2.0
    longest: float = 30.0
    """If the server asks for a longer pause than this, the call fails at once and its stage is retried later."""

    def call(
        self, ask: Callable[[], T], *, again: Callable[[BaseException], bool], sleep: Sleep = tenacity.nap.sleep
    ) -> T:
        """Calls `ask` and returns its result. After an error for which `again` is true it waits and tries once more:
        as long as the server asked (`TransientError.retry_after`), else by the policy. Raises the last error."""
        return tenacity.Retrying(
            stop=self._is_over, wait=self._pause, sleep=sleep, retry=tenacity.retry_if_exception(again), reraise=True
        )(ask)

    def until(self, done: Callable[[], bool], *, sleep: Sleep = tenacity.nap.sleep) -> bool:
        """Calls `done` until it returns true; False if no try did. An exception from `done` is raised at once."""
        return tenacity.Retrying(
            stop=self._is_over,
            wait=self._pause,
            sleep=sleep,
            retry=tenacity.retry_if_result(lambda is_done: not is_done),
            retry_error_callback=lambda state: False,
        )(done)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= self.tries or (_asked(state) or 0.0) > self.longest

    def _pause(self, state: tenacity.RetryCallState) -> float:
        asked = _asked(state)
        if asked is not None:
            return asked
        pause = growing(state.attempt_number - 1, first=self.first, growth=self.growth)
        return min(pause, self.longest) * random.uniform(1.0, 1.0 + JITTER)


def _asked(state: tenacity.RetryCallState) -> float | None:
    """The pause that the server asked for; None where it asked for none."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, TransientError) else None
