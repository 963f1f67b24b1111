"""Hides tick times in the future from Dagster's daemon.

The daemon waits a sensor's minimum interval since the last tick, by the wall clock. When a clock that was two hours
ahead had been corrected, every sensor stood still for two hours, even after a restart. A tick time in the future does
not say how long ago the tick was, so such a sensor counts as due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster._core.scheduler.instigation import InstigatorState, SensorInstigatorData

from video_assets.clock import utc_now

TOLERANCE_SECONDS = 1.0
"""Times ahead by less are kept: the clocks of two machines differ by that much anyway."""
_TIMES = ("last_tick_timestamp", "last_tick_start_timestamp", "last_tick_success_timestamp")


class TicksOfNow:
    """A mixin for Dagster's schedule storages, which reads sensor states without tick times in the future."""

    def get_instigator_state(self, origin_id: str, selector_id: str) -> InstigatorState | None:
        state: InstigatorState | None = super().get_instigator_state(origin_id, selector_id)  # type: ignore[misc]
        return None if state is None else without_the_future(state, utc_now().timestamp())

    def all_instigator_state(self, *args: Any, **named: Any) -> Sequence[InstigatorState]:
        now = utc_now().timestamp()
        return [without_the_future(state, now) for state in super().all_instigator_state(*args, **named)]  # type: ignore[misc]


def without_the_future(state: InstigatorState, now: float) -> InstigatorState:
    """The state, with tick times after `now` (seconds since 1970) removed."""
    data = state.instigator_data
    if not isinstance(data, SensorInstigatorData):
        return state
    ahead = {name: None for name in _TIMES if (getattr(data, name) or 0.0) > now + TOLERANCE_SECONDS}
    return state.with_data(data._replace(**ahead)) if ahead else state
