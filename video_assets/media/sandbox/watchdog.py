"""Watches a running child: its progress, how much it has written, how much memory it holds.

Each watch raises `Ended` with the reason; `process` then kills the child.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from video_assets import peak_memory

_OVERTIME = 1.1
"""A job may get to this many times the expected duration (and ten seconds) before its time stamps count as broken."""
_PAUSE = 0.1
"""Seconds between two measurements of a child."""
_SUSPECT = 0.05
"""After this part of the longest time without progress, it is measured whether the child waits for a processor."""


class Ended(Exception):
    """We ended the child ourselves; the message says why."""


@dataclass(frozen=True)
class Progress:
    """How far a job has come."""

    seconds_done: float
    """Seconds of the video, not of the clock."""
    fraction: float | None
    speed: float | None
    """Seconds of the video in one second of the clock."""
    eta_seconds: float | None


def progress(seconds_done: float, duration: float | None, speed: float | None) -> Progress:
    """The progress of a job that has done `seconds_done` of `duration` seconds of the video at this speed."""
    if not duration or duration <= 0:
        return Progress(seconds_done, None, speed, None)
    fraction = min(1.0, max(0.0, seconds_done / duration))
    eta = (duration - min(seconds_done, duration)) / speed if speed else None
    return Progress(seconds_done, fraction, speed, eta)


class ProgressWatch:
    """Reads FFmpeg's `-progress` output and reports it. Raises `Ended` if progress stops, or goes on without end."""

    def __init__(
        self, duration: float | None, stall_seconds: float, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self.duration = duration
        self.stall_seconds = stall_seconds
        self.on_progress = on_progress
        self.seconds_done = 0.0
        self._rest = b""
        self._block: dict[str, str] = {}
        self._seen: tuple[str | None, ...] = ()
        self._moved_at = time.monotonic()
        self._queue_wait = RunQueueWait()

    def feed(self, data: bytes) -> None:
        """Takes FFmpeg's output as it comes. Raises `Ended` if the job goes far beyond its duration."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name, _, value = line.decode(errors="replace").partition("=")
            self._block[name.strip()] = value.strip()
            if name == "progress":
                self._end_of_block()

    def _end_of_block(self) -> None:
        block, self._block = self._block, {}
        seen = tuple(block.get(name) for name in ("frame", "out_time_us", "total_size"))
        if seen != self._seen:
            self._seen, self._moved_at, self._queue_wait = seen, time.monotonic(), RunQueueWait()
        self.seconds_done = max(self.seconds_done, _number(block.get("out_time_us")) / 1e6)
        if self.duration is not None and self.seconds_done > self.duration * _OVERTIME + 10:
            raise Ended("the file's time stamps do not fit its length; convert it and upload it again")
        if self.on_progress is not None:
            speed = _number((block.get("speed") or "").rstrip("x")) or None
            self.on_progress(progress(self.seconds_done, self.duration, speed))

    def check(self, pid: int) -> None:
        """Raises `Ended` if the child has made no progress for too long. Time in which it waited for a processor does
        not count: on an overloaded machine a healthy job is slow."""
        still = time.monotonic() - self._moved_at
        if still < _SUSPECT * self.stall_seconds:
            return
        self._queue_wait.look_at(pid)
        if still - self._queue_wait.seconds > self.stall_seconds:
            raise Ended(f"nothing came out of the file for {self.stall_seconds:.0f} s; convert it and upload it again")


class RunQueueWait:
    """How long a child has waited for a processor since it was first measured.

    Linux counts this for each thread (`schedstat`). Of threads that wait at the same time only the longest wait counts,
    so that a second of the clock adds at most a second. On other systems it stays 0.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waited: dict[str, int] = {}
        self._looked_at = 0.0

    def look_at(self, pid: int) -> None:
        """Measures the child; does nothing if it was measured just now."""
        if time.monotonic() - self._looked_at < _PAUSE:
            return
        self._looked_at = time.monotonic()
        before, self._waited = self._waited, waited_nanoseconds(pid)
        more = [waited - before[thread] for thread, waited in self._waited.items() if thread in before]
        self.seconds += max(more, default=0) / 1e9


def waited_nanoseconds(pid: int) -> dict[str, int]:
    """For each thread of a process, how long it has waited for a processor since it was started."""
    waited: dict[str, int] = {}
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError, ValueError, IndexError):  # the thread has ended meanwhile
                waited[thread] = int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_bytes().split()[1])
    return waited


class UsageWatch:
    """Watches the total size of the files that a child has written, and its memory.

    The kernel limits only each single file, the address space and, less tightly, private memory. This measures ten
    times a second. Memory is compared by its highest value so far, so that a short peak is noticed too.
    """

    def __init__(self, pid: int, folder: Path | None, output_bytes: int, memory_bytes: int) -> None:
        self.output_bytes = output_bytes
        self.memory_bytes = memory_bytes
        self.held = 0
        """The most memory that the child was seen to hold so far, in bytes."""
        self._pid = pid
        self._folder = folder
        self._before = folder_bytes(folder) if folder else 0
        self._looked_at = 0.0

    def check(self) -> None:
        """Raises `Ended` if the child has written too much or holds too much memory."""
        if time.monotonic() - self._looked_at < _PAUSE:
            return
        self._looked_at = time.monotonic()
        if self._folder and folder_bytes(self._folder) - self._before > self.output_bytes:
            raise Ended("it writes more than is allowed; the file is damaged, upload it again")
        self.held = max(self.held, peak_memory.marked(self._pid))
        if self.held > self.memory_bytes:
            raise Ended("it takes more memory than is allowed; upload it with smaller frames")


def folder_bytes(folder: Path) -> int:
    """Total size in bytes of the files in the folder, without subfolders."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since the listing
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _number(text: str | None) -> float:
    try:
        return max(0.0, float(text or ""))
    except ValueError:  # N/A, before the first packet
        return 0.0
