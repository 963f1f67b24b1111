"""Runs a program under strace and tells what it, and each child of the media door, has opened and connected to."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

import video_assets
from video_assets.media.sandbox import confine

OPENING = (
    "open",
    "openat",
    "openat2",
    "creat",
    "execve",
    "execveat",
    "truncate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat2",
    "mkdir",
    "symlink",
    "link",
)
STARTING = ("clone", "clone3", "fork", "vfork")
TALKING = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")

_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Task:
    """What one thread did."""

    opened: list[str] = field(default_factory=list)
    """Paths that the kernel let it open or change."""
    tried: list[str] = field(default_factory=list)
    """Paths that it was refused, but for those that are not there."""
    talked: list[str] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    is_door: bool = False


def is_possible() -> bool:
    """Whether there is an strace, and this machine lets it watch."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], folder: Path, *, cwd: Path, timeout: float) -> tuple[str, dict[int, Task]]:
    """The program's output, and each of its threads by id. Notes lie in the folder."""
    folder.mkdir()
    watched = ",".join((*OPENING, *STARTING, *TALKING))
    strace = ["strace", "-ff", "--seccomp-bpf", "-qq", "-s", "4096", "-e", f"trace={watched}", "-e", "signal=none"]
    ran = subprocess.run(
        [*strace, "-o", str(folder / "t"), *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-3000:])
    return ran.stdout, {int(path.suffix[1:]): read(path) for path in folder.iterdir()}


def read(path: Path) -> Task:
    """One thread's notes."""
    task = Task()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        call, arguments, result = found.groups()
        if call in STARTING and result.isdigit() and result != "0":
            task.started.append(int(result))
        elif call in TALKING:
            task.talked.append(line)
        elif call in OPENING:
            paths = [_unescaped(path) for path in _PATH.findall(arguments)[:2]]
            paths = paths[:1] if not call.startswith(("rename", "link")) else paths
            if result != "-1":
                task.opened += paths
            elif "ENOENT" not in line:
                task.tried += paths
            if call == "execve" and str(Path(confine.__file__).resolve()) in line:
                task.is_door = True
    return task


def door_children(tasks: dict[int, Task]) -> Iterator[Task]:
    """Everything that went through the door, with all that it started."""
    waiting = [number for number, task in tasks.items() if task.is_door]
    while waiting:
        task = tasks.get(waiting.pop())
        if task is not None:
            yield task
            waiting += task.started


def is_system(path: str) -> bool:
    """Libraries, the interpreter, the package, and what tells of the machine."""
    package = Path(video_assets.__file__).resolve().parent
    roots = [*confine.SYSTEM, *sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, str(package), "/dev/null"]
    roots += [imageio_ffmpeg.get_ffmpeg_exe(), "/proc/self", "/etc/localtime", "/usr/share/locale"]
    # Finding the package means listing the folder it lies in.
    return path == str(package.parent) or any(path == root or path.startswith(f"{root}/") for root in roots)


def _unescaped(path: str) -> str:
    return (
        path.encode("latin-1", "replace")
        .decode("unicode_escape")
        .encode("latin-1", "replace")
        .decode("utf-8", "replace")
    )
