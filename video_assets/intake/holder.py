"""Who is at work on something, told so that another process can say whether that one still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """A process: its number and start within one start of one machine and one space of process numbers."""

    host: str
    boot: str
    """Of the machine's start; another machine, or this one started again, has another. Empty: not known."""
    space: str
    """Within it numbers are of one another's knowledge: containers have theirs each."""
    pid: int
    started: str
    """When it began, in the kernel's own count: numbers are given again."""


def this_process() -> Holder:
    """Who we are."""
    pid = os.getpid()
    return Holder(socket.gethostname(), _boot(), _space(), pid, _started(pid) or "")


def is_dead(holder: Holder, here: Holder, *, one_machine: bool) -> bool:
    """Whether that process certainly lives no more. `one_machine`: whoever could have been at work was on this
    machine. Of other machines and containers nobody can tell from here, and so it is not said."""
    if not holder.boot or not here.boot:
        return False
    if holder.boot != here.boot:
        return one_machine  # it was started again since
    if holder.space != here.space or not holder.started:
        return False
    return _started(holder.pid) != holder.started


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When the process of this number began; None where there is none (one that is dead but not yet waited for
    is none)."""
    try:
        # The name stands in brackets and may hold anything, brackets and blanks too.
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else words[19]
