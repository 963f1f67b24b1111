"""What a process holds of its machine: file handles, memory, threads. Read from /proc, of one's own processes."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

NEARLY_ALL = 0.8
"""Of the handles a process may have; with more it is about to fail at whatever it opens next."""


@dataclass(frozen=True)
class Footprint:
    """What a process holds now."""

    handles: int
    limit: int
    """How many it may have."""
    bytes: int
    """Resident memory."""
    threads: int

    @property
    def is_nearly_out(self) -> bool:
        """Whether it is about to have no handle left."""
        return self.handles >= NEARLY_ALL * self.limit

    def __str__(self) -> str:
        return f"{self.handles} of {self.limit:,} handles, {self.bytes / 1e6:.0f} MB, {self.threads} threads"


def footprint(pid: int) -> Footprint | None:
    """Of one process; None where there is none (any more), or where the system does not tell."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            limit = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            return Footprint(process.num_fds(), limit, process.memory_info().rss, process.num_threads())
    except (psutil.Error, OSError, AttributeError, ValueError):  # a dying one raises what it likes
        return None


def lives(pid: int | None) -> bool:
    """Whether a process of this id is there and has not ended; one that nobody has taken leave of yet has."""
    try:
        return pid is not None and psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # somebody else's, of whom we learn no more
        return True
