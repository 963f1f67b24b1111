"""The one door through which FFmpeg, and every child that reads media, runs.

What comes in is hostile until it has been through: a playlist dressed as a film, a few kilobytes that decode for
ever, a frame of gigabytes. So each child has its own process group, kernel limits, an empty network where the kernel
gives one, a watch on the clock and on its progress; and it dies with the thread that started it.
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
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from video_assets.errors import PermanentError, TransientError, one_line

FORMATS = "mov,matroska,webm,mpegts,mpeg,avi,flv,ogg,asf,wav,mp3,flac,aac"
"""Demuxers that read one file and nothing else: no playlists, concat scripts, SDP or image patterns."""
PROTOCOLS = "file,pipe"

_CONFINE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("confine.py")))
_TAIL_BYTES = 16 * 1024
_REPORT_BYTES = 64 * 2**20
_OVERTIME = 1.1
"""A job may get this far past the duration it was told before its time stamps count as broken."""


@dataclass(frozen=True)
class Limits:
    """What one child may use. All are hard: reaching one ends it."""

    address_space_bytes: int
    cpu_seconds: int
    file_bytes: int
    """Largest single file it may write."""
    wall_seconds: float
    stall_seconds: float
    """Longest time without any progress."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    seconds_done: float
    """Seconds of the video, not of the clock."""
    fraction: float | None
    speed: float | None
    """Times real time."""
    eta_seconds: float | None


class Ended(Exception):
    """We ended the child ourselves; the message says why."""


def input_options() -> dict[str, str]:
    """Options that must stand before an input whose content nobody has vouched for, for a graph builder."""
    return {"protocol_whitelist": PROTOCOLS, "format_whitelist": FORMATS}


def input_url(path: Path) -> str:
    """The file as FFmpeg takes it without reading anything into its name."""
    return f"file:{path.absolute()}"


def input_args(path: Path) -> list[str]:
    """The same as arguments: whitelists, then `-i` and the file."""
    options = (part for name, value in input_options().items() for part in (f"-{name}", value))
    return [*options, "-i", input_url(path)]


def run_ffmpeg(
    args: Sequence[str],
    *,
    limits: Limits,
    duration: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    what: str,
) -> str:
    """Runs FFmpeg to its end; `args` without the program's name. Returns the tail of what it wrote to stderr.

    `duration` in seconds gives progress its fraction, and ends a job that runs far beyond it. `what` names the job
    in errors ("the encoding"). Raises PermanentError where the file is at fault, TransientError where the machine is.
    """
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-xerror", "-nostats",
        "-loglevel", "level+error", "-progress", "pipe:1", "-stats_period", "0.5", *args,
    ]  # fmt: skip
    watch = _ProgressWatch(duration, limits.stall_seconds, on_progress)
    tail = bytearray()

    def on_error(data: bytes) -> None:
        tail.extend(data)
        del tail[:-_TAIL_BYTES]

    before = _children_cpu()
    try:
        with _child(command, limits) as child:
            code = _follow(child, limits.wall_seconds, watch.feed, on_error, watch.check)
    except Ended as ended:
        raise PermanentError(f"{what} was stopped: {ended}") from None
    text = tail.decode(errors="replace")
    if code == 255 and _children_cpu() - before >= limits.cpu_seconds:
        code = -signal.SIGXCPU  # FFmpeg catches the signal and ends with a status that means other things too
    if code:
        raise explain(code, text, watch.seconds_done, duration, what)
    return text


def run_python(module: str, payload: Mapping[str, Any], *, limits: Limits) -> dict[str, Any]:
    """Runs `python -m module` with the payload as JSON on stdin; returns the JSON object it prints.

    The child reports a refusal as `{"error": line}`, which becomes a PermanentError.
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
        with _child(command, limits, stdin=json.dumps(payload).encode()) as child:
            code = _follow(child, limits.wall_seconds, on_output, on_error, lambda: None)
    except Ended as ended:
        raise PermanentError(f"reading the file was stopped: {ended}") from None
    if code:
        raise explain(code, tail.decode(errors="replace"), 0.0, None, "reading the file")
    answer: dict[str, Any] = json.loads(out)
    if "error" in answer:
        raise PermanentError(one_line(str(answer["error"])))
    return answer


def missing_protections() -> list[str]:
    """What this machine does not offer of the confinement, a line each; empty where everything is there."""
    ran = subprocess.run([*_CONFINE, "check"], check=False, capture_output=True, timeout=30)
    missing: list[str] = json.loads(ran.stdout)
    return missing


def explain(code: int, stderr: str, seconds_done: float, duration: float | None, what: str) -> Exception:
    """What to tell about a child that ended with this code (negative: killed by that signal) and these last words."""
    lines = [re.sub(r"^(\[[^\]]*\] )*", "", line) for line in stderr.splitlines() if line.strip()]
    text = stderr.lower()
    if "no space left" in text:
        return TransientError("the disk is full; make room")
    if code == -signal.SIGXCPU:
        return PermanentError(f"{what} takes more processor time than is allowed; upload a shorter or simpler file")
    if code == -signal.SIGXFSZ or "file too large" in text:
        return PermanentError(f"{what} writes more than is allowed; the file is damaged, upload it again")
    if "cannot allocate memory" in text or "memoryerror" in text or "std::bad_alloc" in text:
        return PermanentError(f"{what} takes more memory than is allowed; upload it with smaller frames")
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        return TransientError(f"{what} was killed from outside; the machine may be short of memory")
    if code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL, -signal.SIGBUS):
        return PermanentError("the file is damaged in a way that no player survives; convert it and upload it again")
    if "not in whitelist" in text or "not on whitelist" in text:
        return PermanentError("this is no video file but a list of others; upload the video itself")
    if seconds_done > 0 and duration and seconds_done < duration * 0.98:
        return PermanentError(f"the file breaks off after {seconds_done:.0f} s of {duration:.0f} s; upload it again")
    if any(sign in text for sign in ("invalid data", "moov atom not found", "partial file", "corrupt", "decode")):
        return PermanentError("the file is damaged and cannot be played through; upload it again")
    return PermanentError(one_line(f"{what} failed: {lines[-1] if lines else f'exit status {code}'}", 300))


class _ProgressWatch:
    """Reads `-progress` output, tells the caller, and ends what has stopped moving or will not stop."""

    def __init__(
        self, duration: float | None, stall_seconds: float, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self.duration = duration
        self.stall_seconds = stall_seconds
        self.on_progress = on_progress
        self.seconds_done = 0.0
        self._rest = b""
        self._block: dict[str, str] = {}
        self._seen: tuple[str | None, ...] = ()
        self._moved_at = time.monotonic()

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name, _, value = line.decode(errors="replace").partition("=")
            self._block[name.strip()] = value.strip()
            if name == "progress":
                self._end_of_block()

    def _end_of_block(self) -> None:
        block, self._block = self._block, {}
        seen = tuple(block.get(name) for name in ("frame", "out_time_us", "total_size"))
        if seen != self._seen:
            self._seen, self._moved_at = seen, time.monotonic()
        self.seconds_done = max(self.seconds_done, _number(block.get("out_time_us")) / 1e6)
        if self.duration is not None and self.seconds_done > self.duration * _OVERTIME + 10:
            raise Ended("the file's time stamps do not fit its length; convert it and upload it again")
        if self.on_progress is not None:
            speed = _number((block.get("speed") or "").rstrip("x")) or None
            self.on_progress(progress(self.seconds_done, self.duration, speed))

    def check(self) -> None:
        if time.monotonic() - self._moved_at > self.stall_seconds:
            raise Ended(f"nothing came out of the file for {self.stall_seconds:.0f} s; convert it and upload it again")


def progress(seconds_done: float, duration: float | None, speed: float | None) -> Progress:
    """Progress of a job that has done so much of so much (seconds of the video) at this speed."""
    if not duration or duration <= 0:
        return Progress(seconds_done, None, speed, None)
    fraction = min(1.0, max(0.0, seconds_done / duration))
    eta = (duration - min(seconds_done, duration)) / speed if speed else None
    return Progress(seconds_done, fraction, speed, eta)


def _number(text: str | None) -> float:
    try:
        return max(0.0, float(text or ""))
    except ValueError:  # N/A, before the first packet
        return 0.0


@contextmanager
def _child(command: Sequence[str], limits: Limits, stdin: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """A confined child in its own process group, dead and reaped when the block is left, however it is left."""
    with tempfile.TemporaryFile() as given:  # a pipe would block on a child that does not read
        given.write(stdin)
        given.seek(0)
        child = subprocess.Popen(
            [*_CONFINE, str(os.getpid()), json.dumps(dataclasses.asdict(limits)), *command],
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=_ENVIRONMENT,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _follow(
    child: subprocess.Popen[bytes],
    wall_seconds: float,
    on_output: Callable[[bytes], None],
    on_error: Callable[[bytes], None],
    check: Callable[[], None],
) -> int:
    """Reads both pipes to their ends, in this very thread: the child is bound to the life of it."""
    assert child.stdout is not None
    assert child.stderr is not None
    deadline = time.monotonic() + wall_seconds
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, on_output)
        selector.register(child.stderr, selectors.EVENT_READ, on_error)
        while selector.get_map():
            for key, _ in selector.select(timeout=0.25):
                data = os.read(key.fd, 65536)
                key.data(data) if data else selector.unregister(key.fileobj)
            check()
            if time.monotonic() > deadline:
                raise Ended(f"it took longer than {wall_seconds:.0f} s; upload a shorter or simpler file")
    try:
        return child.wait(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Ended(f"it took longer than {wall_seconds:.0f} s") from None


def _children_cpu() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_ENVIRONMENT = {
    # Nothing of ours: FFREPORT, proxies and credentials are none of the child's business.
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    "AV_LOG_FORCE_NOCOLOR": "1",
}
