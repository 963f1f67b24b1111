"""The last of `video-assets up`: ends what it had started, where it could not do so itself (kill -9, out of memory).

A script as well as a module: `python -I -S guard.py FOLDER`. It reads from `up`, through a pipe, which sessions there
are (`+PID` and `-PID`, a line each): every part that `up` starts leads one, and runs stay in their code server's. The
kernel closes the pipe when `up` is gone, whatever it died of; then the guard kills what is left of these sessions and
removes FOLDER. It imports little, so that it is small, and there at once.
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
    """Ids of the processes of these sessions that are still at work. Read as it is: whoever dies meanwhile is not one,
    and no library's opinion of half-dead processes comes in between."""
    return [pid for pid, session in _everyone() if session in sessions]


def kill(sessions: Collection[int], seconds: float = KILL_SECONDS) -> list[int]:
    """Kills them, and those they start meanwhile; returns who is left after `seconds`."""
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
    """(process, session) of all that live; the dead whose parents have not noticed yet do not count."""
    if not os.path.exists("/proc/self/stat"):
        yield from _everyone_by_ps()
        return
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name may hold anything, brackets too. Behind it: state, parent, group, session.
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
    """Waits for the pipe to be closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever is told so too tells us by ending
    sessions: set[int] = set()
    for line in sys.stdin:
        (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    kill(sessions)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
