"""Handles signals, so that commands stop in order."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from video_assets.cli import INTERRUPTED as INTERRUPTED


@contextmanager
def stop_when_told() -> Iterator[None]:
    """For the block, SIGTERM raises KeyboardInterrupt, and so does closing the terminal (SIGHUP), so that all ways of
    stopping a command are the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        _forget_the_terminal()
        # Not raised here: during a run Dagster may have installed its own SIGTERM handler, to stop the run in order.
        os.kill(os.getpid(), signal.SIGTERM)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {signal.SIGTERM: interrupt}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        handlers[signal.SIGHUP] = hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_the_terminal() -> None:
    """Redirects stdin, stdout and stderr from a closed terminal to /dev/null: writing to it would raise an error in the
    middle of stopping."""
    with suppress(OSError), open(os.devnull, "r+b") as nowhere:
        for number in range(3):
            with suppress(OSError):
                if stat.S_ISCHR(os.fstat(number).st_mode):
                    os.dup2(nowhere.fileno(), number)


class Interrupts:
    """Receives Ctrl-C in a separate thread and passes it on as SIGTERM.

    Dagster fails an interrupted run as "interrupted unexpectedly", unless the run is marked as being canceled before
    the interruption; and it installs its own signal handlers during a run. So SIGINT is blocked in the main thread; the
    separate thread first calls `first`, which marks the run, and then interrupts the main thread. Enter this before any
    thread is started, because threads inherit the blocked signals. A second Ctrl-C ends the process at once, and its
    FFmpeg processes with it.
    """

    def __init__(self) -> None:
        self.received = 0
        self.first: Callable[[], None] | None = None
        """Called in the separate thread, before the main thread is interrupted."""
        self._ended = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            self._thread = threading.Thread(target=self._relay, name="interrupts", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        self._ended = True
        with suppress(ProcessLookupError):
            signal.pthread_kill(self._thread.ident or 0, signal.SIGINT)
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def _relay(self) -> None:
        while True:
            signal.sigwait({signal.SIGINT})
            if self._ended:
                return
            self.received += 1
            if self.received > 1:
                os._exit(INTERRUPTED)
            if self.first is not None:
                self.first()
            os.kill(os.getpid(), signal.SIGTERM)
