"""Examines the `up` that runs over this HOME: asks each of its parts, instead of believing what the lock file says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from video_assets.cli.doctor.checks import Answer
from video_assets.cli.up.alone import who
from video_assets.clock import utc_now
from video_assets.errors import TransientError
from video_assets.footprint import footprint, lives
from video_assets.settings import Settings

START_SECONDS = 150.0
ANSWER_SECONDS = 5.0
SILENT_SECONDS = 120.0
"""A daemon whose heartbeat is older hangs; it writes one every 30 s."""


def examine_up(settings: Settings) -> Answer | str:
    """A line about the running `up`. TransientError where one of its parts is dead or does not answer."""
    noted = who(settings.home)
    if noted is None:
        return "none runs here (`video-assets up` starts it)"
    pid, port, parts = noted.get("pid"), noted.get("port"), noted.get("parts") or {}
    age = _age(noted)
    if not noted.get("ready") and age < START_SECONDS:
        return f"process {pid} is starting, since {age:.0f} s"
    wrong = [f"its {name} {trouble}" for name, trouble in _troubles(settings, noted, parts, age)]
    if wrong:
        raise TransientError(f"process {pid} runs, but {' and '.join(wrong)}; stop it (Ctrl-C) and start it again")
    held = {name: footprint(part["pid"]) for name, part in parts.items() if part.get("pid")}
    for name, each in held.items():
        if each is not None and each.is_nearly_out:
            raise TransientError(f"its {name} holds {each}, and fails when it has no more; start `up` again")
    again = [f"{name} {part['restarts']}" for name, part in parts.items() if part.get("restarts")]
    said = f"; had to be started again: {', '.join(again)}" if again else ""
    holds = "; ".join(f"{name}: {each}" for name, each in held.items() if each is not None)
    return Answer(f"process {pid} at http://127.0.0.1:{port}, every part answers{said}; {holds}")


def _age(noted: dict[str, Any]) -> float:
    try:
        since = datetime.fromisoformat(noted["since"])
    except (KeyError, TypeError, ValueError):
        return 0.0  # it has the lock, and has not written its data yet
    # Absolute: after the clock was set back it must not look like starting for ever.
    return abs((utc_now() - since).total_seconds())


def _troubles(settings: Settings, noted: dict[str, Any], parts: dict[str, Any], age: float) -> list[tuple[str, str]]:
    """Pairs of (part, what is wrong with it)."""
    found = [(name, "is dead") for name, part in parts.items() if not lives(part.get("pid"))]
    dead = {name for name, _ in found}
    if "webserver" not in dead and not _web_answers(noted.get("port")):
        found.append(("webserver", f"does not answer within {ANSWER_SECONDS:.0f} s"))
    if "web" in parts and "web" not in dead and not _api_answers(noted.get("web_port")):
        found.append(("web", f"does not answer within {ANSWER_SECONDS:.0f} s"))
    if "code server" not in dead and not _code_answers(noted.get("socket")):
        found.append(("code server", f"does not answer within {ANSWER_SECONDS:.0f} s"))
    if "daemon" not in dead and age > SILENT_SECONDS:
        silent = _daemon_silent(settings)
        if silent > SILENT_SECONDS:
            found.append(("daemon", f"has not looked after its sensors for {silent:.0f} s"))
    return found


def _web_answers(port: int | None) -> bool:
    from video_assets.cli.up.services import get

    try:
        return bool(get(f"http://127.0.0.1:{port}/server_info", seconds=ANSWER_SECONDS))
    except (OSError, ValueError):
        return False


def _api_answers(port: int | None) -> bool:
    from video_assets.cli.up.services import get

    try:
        return bool(get(f"http://127.0.0.1:{port}/api/v1/health/live", seconds=ANSWER_SECONDS))
    except (OSError, ValueError):
        return False


def _code_answers(socket: str | None) -> bool:
    from video_assets.defs.instance.parts import code_answers

    return socket is not None and code_answers(socket, ANSWER_SECONDS)


def _daemon_silent(settings: Settings) -> float:
    """Seconds since the daemon's last heartbeat for sensors."""
    from video_assets.defs.instance.opening import open_instance

    with open_instance(settings) as instance:
        beats = [beat.timestamp for kind, beat in instance.get_daemon_heartbeats().items() if kind == "SENSOR"]
    # A heartbeat in the future was written before the clock was set back.
    return abs(utc_now().timestamp() - max(beats)) if beats else float("inf")
