"""Text tracks inside a video, taken out as WebVTT."""

from __future__ import annotations

from pathlib import Path

from video_assets.media.probe import Probe, Subtitle
from video_assets.media.process import Limits, input_args, run_ffmpeg

LIMITS = Limits(
    address_space_bytes=2**30, cpu_seconds=300, file_bytes=16 * 2**20, wall_seconds=600, stall_seconds=300
)  # fmt: skip


def text_track(probe: Probe) -> Subtitle | None:
    """The text track to take: the default one, else the first; None where there is none (pictures do not count)."""
    tracks = [track for track in probe.subtitles if track.is_text]
    return next((track for track in tracks if track.default), next(iter(tracks), None))


def extract_text_track(source: Path, probe: Probe, folder: Path) -> Path | None:
    """Writes the text track into the folder as `embedded.vtt`; None where the video has none."""
    track = text_track(probe)
    if track is None:
        return None
    target = folder / "embedded.vtt"
    where = ["-map", f"0:{track.index}", "-c:s", "webvtt", "-f", "webvtt", "-fflags", "+bitexact"]
    run_ffmpeg([*input_args(source), *where, f"file:{target.absolute()}"], limits=LIMITS, what="reading the captions")
    return target
