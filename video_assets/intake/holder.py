"""Identifies a process, so that another process can find out whether it is still alive."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """A process, identified by its pid and start time within one boot of one machine and one pid namespace."""

    host: str
    boot: str
    """The boot id: another machine, or this one after a restart, has another. Empty where it is not known."""
    space: str
    """The pid namespace: pids are comparable only within it, and each container has its own."""
    pid: int
    started: str
    """When it started, in the kernel's clock ticks: pids are used again."""


def this_process() -> Holder:
    """This process."""
    pid = os.getpid()
    return Holder(socket.gethostname(), _boot(), _space(), pid, _started(pid) or "")


def is_dead(holder: Holder, here: Holder, *, one_machine: bool) -> bool:
    """Whether that process is certainly dead, as seen by the process `here`. `one_machine`: all processes that use
    these tables are on this machine. False where it cannot be known: for another machine or container."""
    if not holder.boot or not here.boot:
        return False
    if holder.boot != here.boot:
        return one_machine  # this machine was restarted since
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
    """The start time of the process with this pid; None where there is none. A zombie counts as none."""
    try:
        # The process's name is in brackets, and may itself contain brackets and blanks.
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else words[19]
