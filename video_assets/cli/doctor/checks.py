"""Runs the examinations of `doctor`. Each uses the real thing once, and says what to do where it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

from video_assets.cli.render.format import size
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.settings import Settings
from video_assets.systems import Systems


@dataclass(frozen=True)
class Answer:
    """What a successful examination found."""

    found: str
    version: str = ""
    latency_ms: float | None = None
    """Milliseconds of one small request on an open connection."""


@dataclass(frozen=True)
class Finding:
    """The result of one examination."""

    name: str
    ok: bool
    found: str
    """What was found, or what is wrong and what to do."""
    milliseconds: float
    """Duration of the whole examination, with connecting."""
    version: str = ""
    latency_ms: float | None = None


Examination = Callable[[], "str | Answer"]


def examine(settings: Settings) -> list[Finding]:
    """Runs every examination, in the order in which problems are best solved."""
    from video_assets.cli.doctor.running import examine_up
    from video_assets.cli.doctor.servers import of_servers, of_the_rest

    systems = Systems(settings)
    return [
        _tried(name, examination)
        for name, examination in (
            ("python", _python),
            ("home", lambda: _home(settings)),
            ("disk", lambda: _disk(settings)),
            ("ffmpeg", _ffmpeg),
            ("confinement", _confinement),
            *of_servers(systems),
            ("inbox", lambda: _inbox(systems)),
            *of_the_rest(systems),
            ("up", lambda: examine_up(settings)),
        )
    ]


def must_answer(systems: Systems) -> None:
    """PermanentError, in the words of `doctor`, for the first server that does not work, so that nothing starts that
    cannot work."""
    from video_assets.cli.doctor.servers import of_servers

    for name, examination in of_servers(systems):
        finding = _tried(name, examination)
        if not finding.ok:
            raise PermanentError(f"{finding.name}: {finding.found}")


def _tried(name: str, examination: Examination) -> Finding:
    begun = time.perf_counter()
    answer = Answer("")
    try:
        given = examination()
        ok, answer = True, given if isinstance(given, Answer) else Answer(given)
    except (PermanentError, TransientError) as error:
        ok, answer = False, Answer(str(error))
    except Exception as error:  # any exception of a library is a finding
        ok, answer = False, Answer(f"{type(error).__name__}: {error}")
    milliseconds = round((time.perf_counter() - begun) * 1000, 1)
    return Finding(name, ok, one_line(answer.found), milliseconds, one_line(answer.version), answer.latency_ms)


def _python() -> str:
    if not (3, 10) <= sys.version_info < (3, 14):
        raise PermanentError(f"Python {sys.version.split()[0]} is not supported; use 3.10 to 3.13")
    return f"{sys.version.split()[0]} at {sys.executable}"


def _home(settings: Settings) -> str:
    return _writable(settings.home.absolute(), "VIDEO_ASSETS_HOME")


def _writable(folder: Path, setting: str) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PermanentError(f"cannot write {folder} ({error.strerror}); give rights to it, or set {setting}") from None
    return str(folder)


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    if free < settings.min_free_bytes:
        raise PermanentError(f"only {size(free)} free, {size(settings.min_free_bytes)} are needed; intake has stopped")
    return f"{size(free)} free"


def _ffmpeg() -> str:
    from video_assets.media.sandbox.program import ffmpeg

    program = ffmpeg()
    version, encoders = (
        subprocess.run([program, "-hide_banner", about], capture_output=True, text=True, timeout=30, check=False)
        for about in ("-version", "-encoders")
    )
    if version.returncode:
        raise PermanentError(f"{program} does not run (exit status {version.returncode}); run make install again")
    missing = [name for name in ("libx264", "aac") if f" {name} " not in encoders.stdout]
    if missing:
        raise PermanentError(f"{program} lacks {', '.join(missing)}; unset IMAGEIO_FFMPEG_EXE or name a full build")
    return version.stdout.splitlines()[0].split(" Copyright")[0]


def _confinement() -> str:
    from video_assets.media.sandbox.process import missing_protections

    missing = missing_protections()
    # Missing protections are reported, not treated as a failure.
    return "all protections" if not missing else "works; this machine does not offer: " + "; ".join(missing)


def _inbox(systems: Systems) -> str | Answer:
    settings = systems.settings
    if settings.inbox_url is None:
        return _writable(settings.inbox_folder, "VIDEO_ASSETS_INBOX")
    from video_assets.intake.bucket import BucketInbox

    inbox = BucketInbox(systems.client_of_s3, settings.inbox_url)
    count = sum(1 for _ in islice(inbox.dropped(), 1000))
    return f"{inbox.name}, {count if count < 1000 else 'a thousand or more'} files there"
