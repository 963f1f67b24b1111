"""What is checked of an upload before anything is made from it."""

from __future__ import annotations

from pathlib import Path

from video_assets.artifacts import CheckOutcome
from video_assets.media.probe import Probe

CHECKS = ("readable", "within_limits")


def verify_upload(path: Path, probe: Probe) -> list[CheckOutcome]:
    """The checks `readable` and `within_limits`. Probing has refused what is beyond them; this says what it found."""
    video, sound = probe.video, probe.sound
    kinds = [f"{video.codec} {video.width}x{video.height}" if video else "", sound.codec if sound else ""]
    size = path.stat().st_size
    return [
        CheckOutcome(name="readable", passed=bool(video or sound), summary=" and ".join(k for k in kinds if k)),
        CheckOutcome(
            name="within_limits",
            passed=probe.duration > 0 and size == probe.size,
            summary=f"{probe.duration:.2f} s, {size:,} bytes",
            metadata={"seconds": probe.duration, "bytes": size},
        ),
    ]
