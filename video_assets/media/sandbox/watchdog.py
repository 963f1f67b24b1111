"""What is watched of a running child: its progress, how much it has written, how much memory it holds.

Each watch raises `Ended` with the reason; whoever runs the child ends it then.
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
"""A job may get this far past the duration it was told before its time stamps count as broken."""
_PAUSE = 0.1
"""Seconds between two looks at what a child holds."""
_SUSPECT = 0.05
"""Part of the longest standstill after which it is looked at what keeps the child."""


class Ended(Exception):
    """We ended the child ourselves; the message says why."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    seconds_done: float
    """Seconds of the video, not of the clock."""
    fraction: float | None
    speed: float | None
    """Times real time."""
    eta_seconds: float | None


def progress(seconds_done: float, duration: float | None, speed: float | None) -> Progress:
    """Progress of a job that has done so much of so much (seconds of the video) at this speed."""
    if not duration or duration <= 0:
        return Progress(seconds_done, None, speed, None)
    fraction = min(1.0, max(0.0, seconds_done / duration))
    eta = (duration - min(seconds_done, duration)) / speed if speed else None
    return Progress(seconds_done, fraction, speed, eta)


class ProgressWatch:
    """Reads `-progress` output, tells the caller, and ends what has stopped moving or will not stop."""

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
        """Raises `Ended` where the child has stood still too long, the time not counted that it stood in a queue for
        the processor: on a machine with far too much to do a healthy job is slow, and not at fault."""
        still = time.monotonic() - self._moved_at
        if still < _SUSPECT * self.stall_seconds:
            return
        self._queue_wait.look_at(pid)
        if still - self._queue_wait.seconds > self.stall_seconds:
            raise Ended(f"nothing came out of the file for {self.stall_seconds:.0f} s; convert it and upload it again")


class RunQueueWait:
    """How long a child was ready to run and other processes had the processor, since the first look at it.

    The kernel counts this for each thread (`schedstat`, Linux); of several that wait at once the one that waits
    longest counts, so that a second of the clock is at most a second. Where nobody counts, it is 0.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waited: dict[str, int] = {}
        self._looked_at = 0.0

    def look_at(self, pid: int) -> None:
        if time.monotonic() - self._looked_at < _PAUSE:
            return
        self._looked_at = time.monotonic()
        before, self._waited = self._waited, waited_nanoseconds(pid)
        more = [waited - before[thread] for thread, waited in self._waited.items() if thread in before]
        self.seconds += max(more, default=0) / 1e9


def waited_nanoseconds(pid: int) -> dict[str, int]:
    """By thread of a process, how long it has stood in the queue for a processor in its life."""
    waited: dict[str, int] = {}
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
                waited[thread] = int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_bytes().split()[1])
    return waited


class Holdings:
    """How much a child has written in its folder, all files together, and how much memory it holds.

    The kernel limits one file, the address space and, more loosely, memory; what counts is the sum, and the memory in
    use. Looked at ten times a second, at the highest so far: a child may get past for a moment, but not unseen.
    """

    def __init__(self, pid: int, folder: Path | None, output_bytes: int, memory_bytes: int) -> None:
        self.output_bytes = output_bytes
        self.memory_bytes = memory_bytes
        self.held = 0
        """The most memory that the child was seen to hold so far, bytes."""
        self._pid = pid
        self._folder = folder
        self._before = folder_bytes(folder) if folder else 0
        self._looked_at = 0.0

    def check(self) -> None:
        if time.monotonic() - self._looked_at < _PAUSE:
            return
        self._looked_at = time.monotonic()
        if self._folder and folder_bytes(self._folder) - self._before > self.output_bytes:
            raise Ended("it writes more than is allowed; the file is damaged, upload it again")
        self.held = max(self.held, peak_memory.marked(self._pid))
        if self.held > self.memory_bytes:
            raise Ended("it takes more memory than is allowed; upload it with smaller frames")


def folder_bytes(folder: Path) -> int:
    """Bytes of all files right in the folder."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # gone between listing and looking
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _number(text: str | None) -> float:
    try:
        return max(0.0, float(text or ""))
    except ValueError:  # N/A, before the first packet
        return 0.0
