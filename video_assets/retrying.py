"""How a call that failed is made again within the call: how often, and after which pauses.

A stage that failed is another matter: Dagster tries it again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from video_assets.errors import TransientError

JITTER = 0.25
"""A pause is longer by up to this share: those who were turned away together do not come back together."""

T = TypeVar("T")
Sleep = Callable[[float], None]
"""Waits so many seconds. Whoever has to give signs of life meanwhile brings one of its own."""


def growing(number: int, *, first: float, growth: float) -> float:
    """Seconds of pause number `number`, from 0."""
    return first * growth**number


@dataclass(frozen=True)
class Policy:
    """How often a call is made in all, and how many seconds pass in between."""

    tries: int
    first: float = 1.0
    """Seconds of the first pause. Each is `growth` times the one before, and none is longer than `longest`."""
    growth: float = 2.0
    longest: float = 30.0
    """Where the other side asks for a longer pause, the call is given up: its stage is tried again later."""

    def call(
        self, ask: Callable[[], T], *, again: Callable[[BaseException], bool], sleep: Sleep = tenacity.nap.sleep
    ) -> T:
        """What `ask` gives. An error for which `again` is true is followed by another try, after the pause that the
        other side asks for (`TransientError.retry_after`) or else the policy's; the last error is raised."""
        return tenacity.Retrying(
            stop=self._is_over, wait=self._pause, sleep=sleep, retry=tenacity.retry_if_exception(again), reraise=True
        )(ask)

    def until(self, done: Callable[[], bool], *, sleep: Sleep = tenacity.nap.sleep) -> bool:
        """Whether one of the tries came to be done. What `done` raises is raised at once."""
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
    """The pause that the other side asks for, where it does."""
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, TransientError) else None
