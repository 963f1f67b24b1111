"""Being stopped in good order."""

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
    """For the block, SIGTERM raises KeyboardInterrupt, and so does the closing of the terminal (SIGHUP): one way of
    stopping for people and supervisors."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        _forget_the_terminal()
        # Not raised here: while a run goes somebody else may have taken SIGTERM, to stop it in order.
        os.kill(os.getpid(), signal.SIGTERM)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {signal.SIGTERM: interrupt}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        handlers[signal.SIGHUP] = hang_up
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_the_terminal() -> None:
    """Writing to one that is gone is an error, which would come in between what there is to stop."""
    with suppress(OSError), open(os.devnull, "r+b") as nowhere:
        for number in range(3):
            with suppress(OSError):
                if stat.S_ISCHR(os.fstat(number).st_mode):
                    os.dup2(nowhere.fileno(), number)


class Interrupts:
    """Ctrl-C, taken by a thread of its own and handed on as SIGTERM.

    Dagster ends a run that is interrupted as failed, "interrupted unexpectedly", unless the run is marked
    as being cancelled before the interruption reaches it; and it installs signal handlers of its own while
    a run goes. So SIGINT is kept from the main thread, `first` does the marking, and only then is the main
    thread told. Enter it before anything starts threads: they inherit what is blocked.
    A second Ctrl-C ends the process at once; what FFmpeg it had running dies with it.
    """

    def __init__(self) -> None:
        self.received = 0
        self.first: Callable[[], None] | None = None
        """Called, in the other thread, before the main thread is interrupted."""
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
