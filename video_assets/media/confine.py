"""The last thing that runs before FFmpeg or a reading child: gives up what the kernel can take away, then execs.

A script, not a module to import: `python -I -S confine.py PARENT_PID LIMITS_JSON PROGRAM ARGUMENT…`. A separate
program instead of `preexec_fn`, since forking a threaded process and running Python in the child can deadlock.
What the platform does not offer is left out without a word; `process.missing_protections` names it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def leave_network(libc: ctypes.CDLL) -> bool:
    """Moves into an empty network, as root directly, else through a user namespace of our own."""
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))


def die_with_parent(libc: ctypes.CDLL, parent: int) -> None:
    """The kernel kills us when the thread that started us ends. After unshare, which would clear it."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def limit(kind: int, soft: int, slack: int = 0) -> None:
    """Lowers one limit, never above what is allowed already."""
    allowed = resource.getrlimit(kind)[1]
    hard = soft + slack if allowed == resource.RLIM_INFINITY else min(soft + slack, allowed)
    resource.setrlimit(kind, (min(soft, hard), hard))


def missing() -> list[str]:
    """What this machine does not offer, a line each."""
    if sys.platform != "linux":
        return ["children outlive a killed parent", "no limit on address space", "no empty network"]
    left = leave_network(ctypes.CDLL(None, use_errno=True))
    return [] if left else ["no empty network: the kernel or the container forbids new namespaces"]


def main() -> None:
    if sys.argv[1:] == ["check"]:
        print(json.dumps(missing()))
        return
    parent, limits, program = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        leave_network(libc)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        die_with_parent(libc, parent)
        # Elsewhere a program maps far more than it uses, and this limit would only break it.
        limit(resource.RLIMIT_AS, limits["address_space_bytes"])
    limit(resource.RLIMIT_CPU, limits["cpu_seconds"], slack=5)  # SIGXCPU first, so that we can tell why it ended
    limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    limit(resource.RLIMIT_CORE, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Python ignores these two, and an ignored signal stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
