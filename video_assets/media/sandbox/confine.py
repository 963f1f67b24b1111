"""Runs just before FFmpeg or a media-reading child: gives up rights and sets limits, then execs the program.

A script, not a module to import: `python -I -S confine.py PARENT_PID CONFINES_JSON PROGRAM ARGUMENT…`. It is a separate
program and no `preexec_fn`, since forking a threaded process and running Python in the child can deadlock.
CONFINES_JSON holds the fields of `process.Limits`; `reads`, files and folders that the program may read; `lists`,
folders whose entries it may list; `writes`, a folder or null.

Three mechanisms of Linux need no privileges and are tried one by one: Landlock (only these files can be opened, only
this program can be run, no process outside can be signalled), seccomp (no sockets, no child processes), and an empty
network namespace. A mechanism that the machine lacks is skipped silently; `process.missing_protections` lists it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET, CLONE_THREAD = 0x10000000, 0x40000000, 0x10000
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture

# Landlock's access rights.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 5
MAKE_REG, TRUNCATE = 1 << 8, 1 << 14
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
RIGHTS_BY_VERSION = (0, 13, 14, 15, 15, 16)  # how many rights each version knows; 16 from version 5 on
NET_TCP, SCOPE_SIGNALS_AND_SOCKETS = 0b11, 0b11

STACK_BYTES = 2 * 2**20

SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
"""What every program may read: libraries, random numbers, the number of processors."""

# Architecture as the kernel names it in seccomp, and the numbers of its calls.
SECCOMP: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "clone": 56,
            "clone3": 435,
            "socket": 41,
            "fork": 57,
            "vfork": 58,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "io_uring_setup": 425,
            "bpf": 321,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "unshare": 272,
            "setns": 308,
            "userfaultfd": 323,
            "perf_event_open": 298,
            "pidfd_getfd": 438,
            "open_by_handle_at": 304,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "clone": 220,
            "clone3": 435,
            "socket": 198,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "io_uring_setup": 425,
            "bpf": 280,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "unshare": 97,
            "setns": 268,
            "userfaultfd": 282,
            "perf_event_open": 241,
            "pidfd_getfd": 438,
            "open_by_handle_at": 265,
        },
    ),
}


def leave_network(libc: ctypes.CDLL) -> bool:
    """Moves into an empty network namespace: as root directly, else through a new user namespace. True if it worked."""
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET))


def die_with_parent(libc: ctypes.CDLL, parent: int) -> None:
    """Has the kernel kill this process when the thread that started it ends. Call it after unshare, which clears it."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def limit(kind: int, soft: int, slack: int = 0) -> None:
    """Sets one resource limit, never higher than the present hard limit."""
    allowed = resource.getrlimit(kind)[1]
    hard = soft + slack if allowed == resource.RLIM_INFINITY else min(soft + slack, allowed)
    resource.setrlimit(kind, (min(soft, hard), hard))


def landlock_version(libc: ctypes.CDLL) -> int:
    """The kernel's Landlock version; 0 if it has none."""
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def lock_files(libc: ctypes.CDLL, program: str, *, reads: list[str], lists: list[str], writes: str | None) -> bool:
    """Sets up Landlock: only these paths can be opened, only this program can be run, no TCP, no signals to processes
    outside. True if it is in force."""
    version = landlock_version(libc)
    if version == 0:
        return False
    handled = (1 << RIGHTS_BY_VERSION[min(version, 5)]) - 1
    fields = [handled] + [NET_TCP] * (version >= 4) + [SCOPE_SIGNALS_AND_SOCKETS] * (version >= 6)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = libc.syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if rules < 0:
        return False
    loaders, libraries = mapped()
    allowed = [(path, READ_FILE | READ_DIR) for path in [*SYSTEM, *libraries, *reads]]
    allowed += [(path, READ_FILE | EXECUTE) for path in [program, *loaders]]
    allowed += [(path, READ_DIR) for path in lists]
    allowed += [("/dev/null", READ_FILE | WRITE_FILE | TRUNCATE)]
    if writes is not None:
        allowed += [(writes, READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE)]
    for path, rights in allowed:
        allow(libc, rules, path, rights & handled)
    done = bool(libc.syscall(LANDLOCK_RESTRICT, rules, ctypes.c_uint32(0)) == 0)
    os.close(rules)
    return done


def allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    """Allows one file, or a folder with everything in it. A path that does not exist needs no rule."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= OF_FILES
    libc.syscall(LANDLOCK_ADD, rules, ctypes.c_uint32(1), struct.pack("=Qi", rights, place), ctypes.c_uint32(0))
    os.close(place)


def mapped() -> tuple[list[str], list[str]]:
    """The dynamic loader and the folders of the libraries, by what this process has mapped: systems differ in where
    they have them."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {line[line.index("/") :].rstrip("\n") for line in maps if "/" in line}
    loaders = {path for path in paths if os.path.basename(path).startswith("ld")}
    libraries = {os.path.dirname(path) for path in paths if ".so" in os.path.basename(path)}
    return sorted(loaders), sorted(libraries)


def seccomp_program(machine: str) -> bytes:
    """A classic BPF filter of system calls that refuses sockets, child processes and access to other processes.

    Threads are allowed: `clone` has its flags in a register, which the filter can read. The flags of `clone3` are in
    memory, which it cannot read, so `clone3` is answered with "not implemented", and libc falls back to `clone`.
    """
    load, jump_equal, jump_at_least, jump_set, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse, absent, go_on = 0x00050000 | 1, 0x00050000 | 38, 0x7FFF0000
    architecture, numbers = SECCOMP[machine]
    lines = [
        (load, 0, 0, 4),
        (jump_equal, 1, 0, architecture),
        (answer, 0, 0, refuse),
        (load, 0, 0, 0),
        (jump_at_least, 0, 1, 0x40000000),
        (answer, 0, 0, refuse),  # calls of the x32 ABI, which have other numbers
    ]
    for name, number in numbers.items():
        if name not in ("clone", "clone3"):
            lines += [(jump_equal, 0, 1, number), (answer, 0, 0, refuse)]
    lines += [(jump_equal, 0, 1, numbers["clone3"]), (answer, 0, 0, absent), (jump_equal, 0, 3, numbers["clone"])]
    lines += [(load, 0, 0, 16), (jump_set, 1, 0, CLONE_THREAD), (answer, 0, 0, refuse), (answer, 0, 0, go_on)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def lock_calls(libc: ctypes.CDLL) -> bool:
    """Installs the seccomp filter. True if it is in force."""
    if os.uname().machine not in SECCOMP or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    program = seccomp_program(os.uname().machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(PR_SET_SECCOMP, 2, header, 0, 0) == 0)


def missing() -> list[str]:
    """The protections that this machine lacks, one line each. To find out, it confines the calling process itself."""
    if sys.platform != "linux":
        return [
            "children outlive a killed parent",
            "no limit on address space",
            "files beside the upload can be opened",
            "the network can be reached",
        ]
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = leave_network(libc)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    files, calls = lock_files(libc, sys.executable, reads=[], lists=[], writes=None), lock_calls(libc)
    return [
        *([] if namespace or calls else ["the network can be reached: neither namespaces nor seccomp are allowed"]),
        *([] if files else ["files beside the upload can be opened: no Landlock (Linux 5.13 or later, lsm=landlock)"]),
        *([] if calls else ["children can start processes: no seccomp filter"]),
    ]


def main() -> None:
    if sys.argv[1:] == ["check"]:
        print(json.dumps(missing()))
        return
    parent, confines, program = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        leave_network(libc)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        die_with_parent(libc, parent)
        lock_files(libc, program[0], **{name: confines[name] for name in ("reads", "lists", "writes")})
        # On Linux only: on other systems a program maps far more than it uses, and this limit would break it.
        limit(resource.RLIMIT_AS, confines["address_space_bytes"])
        # Private memory, used or not, as a second bound beside the watchdog, which looks ten times a second only.
        # Thread stacks count in full, so they are made small.
        limit(resource.RLIMIT_STACK, STACK_BYTES)
        limit(resource.RLIMIT_DATA, confines["memory_bytes"] * 5 // 4)
        lock_calls(libc)
    limit(resource.RLIMIT_CPU, confines["cpu_seconds"], slack=5)  # first SIGXCPU, which tells `explain` the reason
    limit(resource.RLIMIT_FSIZE, confines["file_bytes"])
    limit(resource.RLIMIT_NOFILE, 256)
    limit(resource.RLIMIT_CORE, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # Python ignores these two signals, and an ignored signal stays ignored after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
