"""Runs one job at a time in a background thread. Copying a file can take longer than Dagster allows a sensor tick, and
the next tick must not start the same copy a second time."""

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
    """A call that is running or has ended, with its result or its exception."""

    name: str
    call: Callable[[], T]
    begun: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    value: T | None = None
    error: BaseException | None = None

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self.begun

    def run(self) -> None:
        """Makes the call, and keeps its result or exception; raises nothing."""
        try:
            self.value = self.call()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()


class BackgroundWorker(Generic[T]):
    """A thread that runs one job at a time. The caller waits for the end of a job as long as it likes, or asks again
    later."""

    def __init__(self) -> None:
        self.job: Job[T] | None = None
        self._queue: queue.SimpleQueue[Job[T]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, name: str, call: Callable[[], T]) -> None:
        """Starts a job. There must be no other one."""
        assert self.job is None
        self.job = Job(name, call)
        with self._lock:
            self._queue.put(self.job)
            if self._thread is None or not self._thread.is_alive():  # in a forked child it is not
                # A daemon thread: the process does not wait for it, and the sweep removes a half-done upload.
                self._thread = threading.Thread(target=self._go, name="inbox", daemon=True)
                self._thread.start()

    def take_ended(self, wait: float) -> Job[T] | None:
        """Waits at most so many seconds for the job to end. Returns it and forgets it; None while it is running, or
        where there is none."""
        job = self.job
        if job is None or not job.ended.wait(max(wait, 0)):
            return None
        self.job = None
        return job

    def _go(self) -> None:
        while True:
            try:
                self._queue.get(timeout=IDLE_SECONDS).run()
            except queue.Empty:
                with self._lock:
                    if self._queue.empty():
                        self._thread = None
                        return
