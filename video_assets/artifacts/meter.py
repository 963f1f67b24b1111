"""Measures what the making of an artifact costs: seconds, processor seconds and memory, including child processes."""

from __future__ import annotations

import resource
import time

from video_assets import peak_memory
from video_assets.artifacts.manifest import Cost


class Meter:
    """Measures from its creation on."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._cpu = _cpu_seconds()
        peak_memory.start()

    def cost(self, *, tokens: int = 0, usd: float = 0.0) -> Cost:
        """The cost since the start. If one process makes several artifacts at the same time, each counts the others."""
        return Cost(
            wall_seconds=round(time.monotonic() - self._wall, 3),
            cpu_seconds=round(_cpu_seconds() - self._cpu, 3),
            peak_bytes=peak_memory.own(),
            child_peak_bytes=peak_memory.largest_child(),
            tokens=tokens,
            usd=usd,
        )


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
