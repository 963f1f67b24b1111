"""One child of `video-assets up`: started, watched, started again when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from video_assets.errors import TransientError

TRIES = 5
"""So often in a row it may end before it has come up: with the pauses between, less than a minute."""
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before it is started again: the first time, the second, and so on."""


class Part:
    """A program that is to run, whatever happens to it."""

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
        """As people are told of it."""
        self.restarts = 0
        self._command = command
        self._environment = environment
        self._log = log
        self._is_up = is_up
        """Whether it has come up, by the seconds it has been running."""
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0
        self._came_up = False
        self._failures = 0
        self._again_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Also the id of its session; None where it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def came_up(self) -> bool:
        """Whether it did, and still runs."""
        return self._process is not None and self._came_up

    def start(self) -> None:
        """Starts it, in a session of its own: what it leaves behind is found by that, and Ctrl-C on the terminal
        reaches us alone, so that all is ended in order."""
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
        """Starts it again where it has ended and its pause is over. Returns a line about what happened, if anything
        did. Raises TransientError where there is no use in another try."""
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
            raise TransientError(f"{how} at its start")  # it will do the same again
        self._again_at = time.monotonic() + PAUSES[min(self._failures, len(PAUSES)) - 1]
        return f"{how}; it is started again"

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal, and has it stay down once it has ended."""
        self._again_at = None
        if self._process is not None:
            self._process.send_signal(number)  # nothing where it has ended

    def ended(self) -> bool:
        """Whether it has; what is left of it is then reaped."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        return self._process is None


def command(*arguments: str) -> list[str]:
    """Python with these arguments, as this one is."""
    return [sys.executable, *arguments]


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
