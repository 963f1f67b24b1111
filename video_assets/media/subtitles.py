"""Extracts the text track (subtitles) embedded in a media file, as WebVTT."""

from __future__ import annotations

from pathlib import Path

from video_assets.media.probe import Probe, Subtitle
from video_assets.media.sandbox.process import Limits, input_args, run_ffmpeg

FILE = "embedded.vtt"
_LARGEST = 32 * 2**20
_READ = 20 * 2**20
"""Bytes that FFmpeg reads in a second on a slow machine; the limits below follow from it. Normal text takes little time
beside that, but FFmpeg works for minutes at one cue of megabytes."""


def best_text_track(probe: Probe) -> Subtitle | None:
    """The text track to read: the default one, else one in the language of the sound, else the first; None if there is
    no text track."""
    tracks = [track for track in probe.subtitles if track.is_text]
    spoken = probe.sound.language if probe.sound else ""
    ranked = sorted(tracks, key=lambda track: (not track.default, track.language != spoken, track.index))
    return ranked[0] if ranked else None


def has_text_track(probe: Probe) -> bool:
    """Whether there is anything to extract."""
    return best_text_track(probe) is not None


def extract_text_track(source: Path, probe: Probe, folder: Path) -> Path | None:
    """Writes the best text track into the folder as WebVTT and returns its path; None if the file has no text track.

    The text is as hostile as the rest of the file: its reader must check it. Raises what `run_ffmpeg` raises.
    """
    track = best_text_track(probe)
    if track is None:
        return None
    path = folder / FILE
    output = ["-c:s", "webvtt", "-f", "webvtt", f"file:{path.absolute()}"]
    args = [*input_args(source), "-map", f"0:{track.index}", *output]
    limits = Limits(
        address_space_bytes=2 * 2**30,
        cpu_seconds=10 + int(probe.size / _READ + probe.duration / 60),
        file_bytes=_LARGEST,
        wall_seconds=300 + probe.duration,
        stall_seconds=300 + probe.duration,
    )
    run_ffmpeg(args, limits=limits, reads=[source], writes=folder, what="reading the captions")
    return path
