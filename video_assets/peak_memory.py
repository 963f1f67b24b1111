"""The highest memory of this process and of its children over a stretch of time.

`getrusage` cannot tell: its reading of this process is that of the whole life, and a child's begins at what its parent
held when it was started. The kernel's own mark can be set back (Linux); elsewhere the lifetime's has to do.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

_largest_child = 0


def start() -> None:
    """The stretch begins."""
    global _largest_child
    _largest_child = 0
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def look_at(child: int) -> None:
    """Takes a running child's peak so far into account. To be called now and then, and when it has said its last."""
    global _largest_child
    _largest_child = max(_largest_child, marked(child))


def own() -> int:
    """This process's peak since `start`, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return marked("self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def largest_child() -> int:
    """The peak of the largest child that was looked at since `start`, bytes; 0 where there was none."""
    return _largest_child


def marked(process: int | str) -> int:
    """The kernel's high-water mark of a process's resident memory, bytes; 0 where there is none to read."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process}/status").read_bytes().splitlines():
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
