"""What `doctor` tries: each examination does the real thing once, and says what to do where it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from video_assets.cli.words import size
from video_assets.defs.platform import Platform
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.settings import Settings
from video_assets.storage import NotFound

DAEMON_SILENT_SECONDS = 120


@dataclass(frozen=True)
class Finding:
    """The result of one examination."""

    name: str
    ok: bool
    found: str
    """What is there; or what is wrong and what to do."""
    milliseconds: float


def examine(settings: Settings) -> list[Finding]:
    """Every examination, in the order in which trouble is best put right."""
    platform = Platform(settings)
    return [
        _tried(name, examination)
        for name, examination in (
            ("python", _python),
            ("home", lambda: _home(settings)),
            ("disk", lambda: _disk(settings)),
            ("ffmpeg", _ffmpeg),
            ("confinement", _confinement),
            ("database", lambda: _database(platform)),
            ("storage", lambda: _storage(platform)),
            ("search", lambda: _search(platform)),
            ("inbox", lambda: _writable(settings.inbox_folder, "VIDEO_ASSETS_INBOX")),
            ("events", lambda: _events(platform)),
            ("dagster", lambda: _dagster(settings)),
        )
    ]


def _tried(name: str, examination: Callable[[], str]) -> Finding:
    begun = time.perf_counter()
    try:
        ok, found = True, examination()
    except (PermanentError, TransientError) as error:
        ok, found = False, one_line(error)
    except Exception as error:  # whatever a library raises: here it is a finding
        ok, found = False, one_line(f"{type(error).__name__}: {error}")
    return Finding(name, ok, found, round((time.perf_counter() - begun) * 1000, 1))


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
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
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
    from video_assets.media.process import missing_protections

    missing = missing_protections()
    # No reason to stop: less protection than there could be is for the operator to know, not to fail on.
    return "all protections" if not missing else "works; this machine does not offer: " + "; ".join(missing)


def _database(platform: Platform) -> str:
    from sqlalchemy import text

    database = platform.database
    with database.write() as session:
        session.execute(text("SELECT 1 FROM videos LIMIT 1"))
    return database.url.render_as_string(hide_password=True)


def _storage(platform: Platform) -> str:
    key, data = f"doctor/{uuid4().hex}", b"probe"
    storage = platform.storage
    try:
        storage.put_if(key, data, None)
        if storage.get_bytes(key) != data:
            raise PermanentError("the storage gave back something else than was stored; check what is behind it")
    except NotFound:
        raise PermanentError("the storage lost what was just stored; check what is behind it") from None
    finally:
        storage.delete(key)
    return platform.settings.storage


def _search(platform: Platform) -> str:
    platform.search.ping()
    return f"{platform.search.count()} videos in the index"


def _events(platform: Platform) -> str:
    from video_assets.database import publishing

    found = platform.publisher.ping()
    parked: list[publishing.Parked] = []
    with suppress(TransientError), platform.database.read() as session:  # that it does not answer was said above
        parked = publishing.parked_messages(session)
    if parked:
        first = f"video {parked[0].video_id}, {parked[0].topic}: {parked[0].reason}"
        count = f"{len(parked)} event{' is' if len(parked) == 1 else 's are'} parked"
        raise PermanentError(f"{count} ({first}); see `video-assets events`")
    return found


def _dagster(settings: Settings) -> str:
    from video_assets.defs.instance import open_instance

    with open_instance(settings) as instance:
        runs = instance.get_runs_count()
        beats = instance.get_daemon_heartbeats().values()
        alive = any(time.time() - beat.timestamp < DAEMON_SILENT_SECONDS for beat in beats)
    daemon = "the daemon is running" if alive else "no daemon is running (`video-assets up` starts it)"
    return f"{settings.dagster_home}, {runs} runs; {daemon}"
