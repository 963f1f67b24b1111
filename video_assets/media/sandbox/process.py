"""Starts FFmpeg and every child that reads media. Nothing else in the package starts them.

Every uploaded file is treated as hostile: it may be a playlist that looks like a video, a few kilobytes that decode
for hours, or one frame of gigabytes. So each child has its own process group and kernel limits. Where the kernel
supports it, it has no network, cannot start processes, and can open only the files named to it. Its running time,
progress and memory are watched, and it dies with the thread that started it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video_assets import peak_memory
from video_assets.errors import Full, PermanentError, TransientError, one_line
from video_assets.media.sandbox import program
from video_assets.media.sandbox.watchdog import Ended, ProgressWatch, UsageWatch
from video_assets.media.sandbox.watchdog import Progress as Progress
from video_assets.media.sandbox.watchdog import progress as progress

FORMATS = "mov,matroska,webm,mpegts,mpeg,avi,flv,ogg,asf,wav,mp3,flac,aac"
"""Demuxers that read one file and nothing else: no playlists, concat scripts, SDP or image patterns."""
PROTOCOLS = "file,pipe"

MEMORY_BYTES = 1_500_000_000
"""Memory that any child may hold, whatever the file."""

_ROOT = Path(__file__).resolve().parents[3]
_PYTHON = (
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    Path(sys.prefix, "pyvenv.cfg"),
)
_CONFINE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("confine.py")))
_INTERRUPTED = (255, 123)
"""FFmpeg's exit status after a signal: 255 if it stopped at the first one, 123 if it was too busy to notice three and
gave up at the fourth."""
_TAIL_BYTES = 16 * 1024
_REPORT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Limits:
    """What one child may use. Reaching any of these limits ends it."""

    address_space_bytes: int
    cpu_seconds: int
    file_bytes: int
    """Largest single file it may write."""
    wall_seconds: float
    stall_seconds: float
    """Longest time without progress, not counting the time that it waited for a processor."""
    output_bytes: int | None = None
    """Total size of all files it may write; None: as `file_bytes`."""
    memory_bytes: int = MEMORY_BYTES
    """Memory it may hold, as opposed to addresses it may map. The watchdog ends it at this value, and the kernel
    refuses it more than a quarter above."""


def input_options() -> dict[str, str]:
    """The options before an untrusted input, for a graph builder: only these protocols and demuxers are allowed, so
    that a file cannot make FFmpeg open another one."""
    return {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}


def input_url(path: Path) -> str:
    """The file as an FFmpeg URL. With `file:`, no part of its name is taken for a protocol or an option."""
    return f"file:{path.absolute()}"


def input_args(path: Path) -> list[str]:
    """The same as arguments: whitelists, then `-i` and the file."""
    options = (part for name, value in input_options().items() for part in (f"-{name}", value))
    return [*options, "-i", input_url(path)]


def run_ffmpeg(
    args: Sequence[str],
    *,
    limits: Limits,
    reads: Sequence[Path] = (),
    writes: Path | None = None,
    duration: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    what: str,
) -> str:
    """Runs FFmpeg to its end. `args` is without the program's name. Returns the end of what it wrote to stderr.

    FFmpeg can open the files in `reads` and write files in the folder `writes`, nothing else. `duration` (seconds) is
    what progress is measured against; a job that goes far beyond it is ended. `what` names the job in errors ("the
    encoding"). Raises PermanentError if the file is at fault, TransientError if the machine is.
    """
    command = [
        program.ffmpeg(),
        "-hide_banner",
        "-nostdin",  # reads no keys: what is on stdin could be taken for a command
        "-y",  # overwrites what an earlier attempt left
        "-xerror",  # ends at the first error instead of going on with damaged pictures
        "-nostats",
        "-loglevel",  # only errors, each with its level
        "level+error",
        "-progress",  # what ProgressWatch reads
        "pipe:1",
        "-stats_period",
        "0.5",
        *args,
    ]
    watch = ProgressWatch(duration, limits.stall_seconds, on_progress)
    tail = bytearray()

    def on_error(data: bytes) -> None:
        tail.extend(data)
        del tail[:-_TAIL_BYTES]

    before = _children_cpu()
    try:
        with _child(command, limits, reads, writes) as child:
            code, held = _follow(child, limits, writes, watch.feed, on_error, watch.check)
    except Ended as ended:
        raise PermanentError(f"{what} was stopped: {ended}") from None
    text = tail.decode(errors="replace")
    # Half the limit is enough evidence: the kernel's limit counts in clock ticks, which on a busy machine run ahead of
    # the time that was really used.
    if code in _INTERRUPTED and _children_cpu() - before >= 0.5 * limits.cpu_seconds:
        code = -signal.SIGXCPU  # FFmpeg catches the signal and ends with a status that means other things too
    if code:
        raise explain(code, text, watch.seconds_done, duration, what, held=held / limits.memory_bytes)
    return text


def run_python(
    module: str, payload: Mapping[str, Any], *, limits: Limits, reads: Sequence[Path] = ()
) -> dict[str, Any]:
    """Runs `python -m module` with the payload as JSON on stdin; returns the JSON object it prints.

    The child can open Python, this package and the files in `reads`, nothing else. It reports a refusal as
    `{"error": line}`, which becomes a PermanentError. Raises TransientError if the machine is at fault.
    """
    command = [sys.executable, "-s", "-B", "-m", module]
    out, tail = bytearray(), bytearray()

    def on_output(data: bytes) -> None:
        out.extend(data)
        if len(out) > _REPORT_BYTES:
            raise Ended("the file describes itself at too great a length")

    def on_error(data: bytes) -> None:
        tail.extend(data)
        del tail[:-_TAIL_BYTES]

    try:
        readable = [*_PYTHON, _ROOT / module.partition(".")[0], *reads]
        with _child(command, limits, readable, stdin=json.dumps(payload).encode(), lists=[_ROOT]) as child:
            code, _ = _follow(child, limits, None, on_output, on_error, lambda pid: None)
    except Ended as ended:
        raise PermanentError(f"reading the file was stopped: {ended}") from None
    if code:
        raise explain(code, tail.decode(errors="replace"), 0.0, None, "reading the file")
    answer: dict[str, Any] = json.loads(out)
    if "error" in answer:
        raise PermanentError(one_line(str(answer["error"])))
    return answer


def missing_protections() -> list[str]:
    """The protections that this machine lacks, one line each; empty if it has all of them."""
    ran = subprocess.run([*_CONFINE, "check"], check=False, capture_output=True, timeout=30)
    missing: list[str] = json.loads(ran.stdout)
    return missing


def explain(
    code: int, stderr: str, seconds_done: float, duration: float | None, what: str, *, held: float = 0.0
) -> Exception:
    """The error for a child that failed.

    `code`: its exit status; negative: the signal that killed it. `stderr`: the end of what it wrote there. `what`: the
    job's name. `held`: the most memory that it was seen to hold, as a part of its limit.
    """
    lines = [re.sub(r"^(\[[^\]]*\] )*", "", line) for line in stderr.splitlines() if line.strip()]
    text = stderr.lower()
    if "no space left" in text:
        return Full("the disk is full; make room")
    if code == -signal.SIGXCPU:
        return PermanentError(f"{what} takes more processor time than is allowed; upload a shorter or simpler file")
    if code == -signal.SIGXFSZ or "file too large" in text:
        return PermanentError(f"{what} writes more than is allowed; the file is damaged, upload it again")
    no_threads = "pthread_create() failed" in text  # out of memory: its own limit, or the machine's
    if no_threads and held < 0.25:
        return TransientError(f"{what} could not start its threads; the machine may be short of memory")
    signs = ("cannot allocate memory", "memoryerror", "std::bad_alloc", "malloc of size")
    if no_threads or any(sign in text for sign in signs):
        return PermanentError(f"{what} takes more memory than is allowed; upload it with smaller frames")
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        return TransientError(f"{what} was killed from outside; the machine may be short of memory")
    if code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL, -signal.SIGBUS):
        return PermanentError("the file is damaged in a way that no player survives; convert it and upload it again")
    if re.search(r"picture size \d+x\d+ (is invalid|exceeds)", text):
        return PermanentError("the picture becomes far larger half-way; convert the file and upload it again")
    if "not in whitelist" in text or "not on whitelist" in text:
        return PermanentError("this is no video file but a list of others; upload the video itself")
    if seconds_done > 0 and duration and duration - seconds_done > max(1.0, 0.02 * duration):
        told = f"the file breaks off or is damaged after {seconds_done:.0f} s of {duration:.0f} s"
        return PermanentError(f"{told}; upload it again, or convert it first")
    if any(sign in text for sign in ("invalid data", "moov atom not found", "partial file", "corrupt", "decode")):
        return PermanentError("the file is damaged and cannot be played through; upload it again")
    if "received no packets" in text:
        return PermanentError("a track of this file holds nothing that can be played; convert it and upload it again")
    last = one_line(lines[-1] if lines else f"exit status {code}", 200)
    return PermanentError(f"{what} failed ({last}); convert the file and upload it again")


@contextmanager
def _child(
    command: Sequence[str],
    limits: Limits,
    reads: Sequence[Path],
    writes: Path | None = None,
    *,
    lists: Sequence[Path] = (),
    stdin: bytes = b"",
) -> Iterator[subprocess.Popen[bytes]]:
    """A confined child in its own process group. When the block ends, in whatever way, it is killed and reaped."""
    confines = dataclasses.asdict(limits) | {
        "reads": [str(path.absolute()) for path in reads],
        "lists": [str(path) for path in lists],
        "writes": str(writes.absolute()) if writes else None,
    }
    with tempfile.TemporaryFile() as given:  # not a pipe: writing to one blocks if the child does not read
        given.write(stdin)
        given.seek(0)
        child = subprocess.Popen(
            [*_CONFINE, str(os.getpid()), json.dumps(confines), *command],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        # Also after it has ended: without seccomp it may have started processes, which are in its group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _follow(
    child: subprocess.Popen[bytes],
    limits: Limits,
    writes: Path | None,
    on_output: Callable[[bytes], None],
    on_error: Callable[[bytes], None],
    check: Callable[[int], None],
) -> tuple[int, int]:
    """Reads both pipes to their ends, and watches the child meanwhile. Raises `Ended` if it reaches a limit.

    This runs in the thread that started the child, since the child dies with that thread. Returns the exit status, and
    the most memory in bytes that it was seen to hold.
    """
    assert child.stdout is not None
    assert child.stderr is not None
    deadline = time.monotonic() + limits.wall_seconds
    output = limits.file_bytes if limits.output_bytes is None else limits.output_bytes
    usage = UsageWatch(child.pid, writes, output, limits.memory_bytes)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, on_output)
        selector.register(child.stderr, selectors.EVENT_READ, on_error)
        while selector.get_map():
            events = selector.select(timeout=0.1)
            peak_memory.look_at(child.pid)
            for key, _ in events:
                data = os.read(key.fd, 65536)
                key.data(data) if data else selector.unregister(key.fileobj)
            check(child.pid)
            usage.check()
            if time.monotonic() > deadline:
                raise Ended(f"it took longer than {limits.wall_seconds:.0f} s; upload a shorter or simpler file")
    try:
        return child.wait(timeout=max(1.0, deadline - time.monotonic())), usage.held
    except subprocess.TimeoutExpired:
        raise Ended(f"it took longer than {limits.wall_seconds:.0f} s") from None


def _children_cpu() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_ENVIRONMENT = {
    # Nothing of our own environment: it may hold credentials, proxies, or FFREPORT, which makes FFmpeg write a log.
    "PATH": os.defpath,
    "HOME": "/",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(_ROOT),
    "AV_LOG_FORCE_NOCOLOR": "1",
    # Each arena reserves 64 MB of addresses, and glibc makes up to eight for each processor: with many processors,
    # normal files would reach the limit on address space.
    "MALLOC_ARENA_MAX": "4",
}
