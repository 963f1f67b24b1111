"""The checks of an uploaded file, before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from video_assets.artifacts import CheckOutcome
from video_assets.media.probe import Probe

CHECKS = ("readable", "within_limits")


def verify_upload(path: Path, probe: Probe, *, max_bytes: float, max_duration: float) -> list[CheckOutcome]:
    """An outcome for each of `CHECKS`. Limits in bytes and seconds."""
    size = path.stat().st_size
    return [
        CheckOutcome(name="readable", **_readable(probe, size)),
        CheckOutcome(name="within_limits", **_within_limits(probe, size, max_bytes, max_duration)),
    ]


def describe(probe: Probe) -> str:
    """The file in one line: `h264 1280x720, 30 fps, aac 48000 Hz, 8.0 s`."""
    video, sound = probe.video, probe.sound
    parts = [f"{video.codec} {video.display_width}x{video.display_height}, {video.avg_fps:.5g} fps"] if video else []
    parts += [f"{sound.codec} {sound.rate} Hz"] if sound else ["no sound"]
    return ", ".join([*parts, f"{probe.duration:.1f} s"])


def _readable(probe: Probe, size: int) -> dict[str, Any]:
    if size != probe.size:
        return {"passed": False, "summary": "the file changed while it was read; upload it again"}
    if probe.duration <= 0:
        return {"passed": False, "summary": "the file has no length; upload it again"}
    return {"passed": True, "summary": describe(probe)}


def _within_limits(probe: Probe, size: int, max_bytes: float, max_duration: float) -> dict[str, Any]:
    if size > max_bytes:
        return {"passed": False, "summary": f"the file has {size:,} bytes; at most {max_bytes:,.0f} are taken"}
    if probe.duration > max_duration:
        told = f"the video lasts {probe.duration:.0f} s; at most {max_duration:.0f} are taken"
        return {"passed": False, "summary": told}
    return {"passed": True, "summary": f"{size:,} bytes, {probe.duration:.1f} s"}
