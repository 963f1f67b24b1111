"""The guard of `video-assets up`: kills its parts where `up` cannot do it itself (kill -9, out of memory).

A script as well as a module: `python -I -S guard.py FOLDER`. Through a pipe `up` tells it the sessions (`+PID` and
`-PID`, one per line): every part leads a session, and runs stay in that of their code server. The kernel closes the
pipe when `up` ends for whatever reason; then the guard kills what is left of these sessions and removes FOLDER. It
imports little, so it is small and starts at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator

KILL_SECONDS = 10.0


def members(sessions: Collection[int]) -> list[int]:
    """Pids of the living processes of these sessions. Read from /proc itself, because libraries treat half-dead
    processes in different ways."""
    return [pid for pid, session in _everyone() if session in sessions]


def kill(sessions: Collection[int], seconds: float = KILL_SECONDS) -> list[int]:
    """Kills the processes of these sessions, and those they start meanwhile; returns the pids left after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        left = members(sessions)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _everyone() -> Iterator[tuple[int, int]]:
    """(pid, session) of all living processes; zombies do not count."""
    if not os.path.exists("/proc/self/stat"):
        yield from _everyone_by_ps()
        return
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name is in brackets and may contain brackets. Behind it: state, parent, group, session.
                state, _, _, session = file.read().rpartition(b")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X", b"x"):
            yield int(name), int(session)


def _everyone_by_ps() -> Iterator[tuple[int, int]]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        pid, state = line.split()[:2]
        with contextlib.suppress(OSError):
            if not state.startswith("Z"):
                yield int(pid), os.getsid(int(pid))


def main(folder: str) -> None:
    """Reads sessions until the pipe is closed, then kills what is left of them and removes the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # `up` gets these too, and closes the pipe when it ends
    sessions: set[int] = set()
    for line in sys.stdin:
        (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    kill(sessions)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
