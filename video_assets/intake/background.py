"""One thing at a time, done in a thread of its own: a copy may take longer than Dagster lets a sensor's tick take,
and the tick after it must not begin the same copy beside the first."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
IDLE_SECONDS = 60.0


@dataclass
class Job(Generic[T]):
    """What is done, or was: its result, or what it raised."""

    name: str
    call: Callable[[], T]
    begun: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    value: T | None = None
    error: BaseException | None = None

    @property
    def seconds(self) -> float:
        """How long it has been going."""
        return time.monotonic() - self.begun

    def run(self) -> None:
        """Does it; nothing comes out of here."""
        try:
            self.value = self.call()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()


class Desk(Generic[T]):
    """Takes one job at a time. Whoever gives it one may wait, for as long as he likes, or ask again later."""

    def __init__(self) -> None:
        self.job: Job[T] | None = None
        self._asked: queue.SimpleQueue[Job[T]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, name: str, call: Callable[[], T]) -> None:
        """Begins a job; there must be none."""
        assert self.job is None
        self.job = Job(name, call)
        with self._lock:
            self._asked.put(self.job)
            if self._thread is None or not self._thread.is_alive():  # also in a child that was forked
                # Nobody waits for it at the end of the process: what it leaves half-done is swept.
                self._thread = threading.Thread(target=self._go, name="inbox", daemon=True)
                self._thread.start()

    def take_ended(self, wait: float) -> Job[T] | None:
        """The job, once it has ended within so many seconds; then there is none any more."""
        job = self.job
        if job is None or not job.ended.wait(max(wait, 0)):
            return None
        self.job = None
        return job

    def _go(self) -> None:
        while True:
            try:
                self._asked.get(timeout=IDLE_SECONDS).run()
            except queue.Empty:
                with self._lock:
                    if self._asked.empty():
                        self._thread = None
                        return
