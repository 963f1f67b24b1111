"""A child process of `video-assets up`, which is started, watched, and restarted when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from video_assets.errors import TransientError

TRIES = 5
"""After so many failures in a row before it came up, it is given up; with the pauses that is less than a minute."""
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before the first restart, the second, and so on."""


class Part:
    """A program that is kept running."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        is_up: Callable[[float], bool],
    ) -> None:
        self.name = name
        """The name in messages."""
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._log = log
        self._is_up = is_up
        """Called with the seconds since its start; tells whether it has come up."""
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0
        self._came_up = False
        self._failures = 0
        self._again_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Its pid, which is also the id of its session; None while it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def came_up(self) -> bool:
        """Whether it has come up and still runs."""
        return self._process is not None and self._came_up

    def start(self) -> None:
        """Starts it in a new session, by which its child processes are found later. Ctrl-C on the terminal then reaches
        only `up`, which stops everything in order."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._begun, self._came_up, self._again_at = time.monotonic(), False, None

    def look(self) -> str | None:
        """Checks it, and restarts it if it has ended and the pause is over. Returns a line if it has just ended.
        TransientError where another restart is no use."""
        if self._process is None:
            if self._again_at is not None and time.monotonic() >= self._again_at:
                self.restarts += 1
                self.start()
            return None
        code = self._process.poll()
        if code is None:
            if not self._came_up and self._is_up(time.monotonic() - self._begun):
                self._came_up, self._failures = True, 0
            return None
        self._process = None
        self._failures += 1
        how = f"the {self.name} ended ({_in_words(code)})"
        if self._failures >= TRIES:
            raise TransientError(f"{how}, {TRIES} times in a row before it had come up")
        if code >= 0 and not self._came_up and not self.restarts:
            raise TransientError(f"{how} at its start")  # a restart would end the same way
        self._again_at = time.monotonic() + PAUSES[min(self._failures, len(PAUSES)) - 1]
        return f"{how}; it is started again"

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal; it is not restarted after that."""
        self._again_at = None
        if self._process is not None:
            self._process.send_signal(number)  # does nothing if it has ended

    def ended(self) -> bool:
        """Whether it has ended; if so its zombie is reaped."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        return self._process is None


def command(*arguments: str) -> list[str]:
    """A command line with this Python and these arguments."""
    return [sys.executable, *arguments]


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
