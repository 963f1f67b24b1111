"""The text track that a file brought along, as WebVTT."""

from __future__ import annotations

from pathlib import Path

from video_assets.media.probe import Probe, Subtitle
from video_assets.media.sandbox.process import Limits, input_args, run_ffmpeg

FILE = "embedded.vtt"
_LARGEST = 32 * 2**20
_READ = 20 * 2**20
"""Bytes of a file that are read through in a second, on a slow machine. What its words take beside that is little,
but for the one cue of megabytes, at which FFmpeg works for minutes."""


def best_text_track(probe: Probe) -> Subtitle | None:
    """The track to read: the default one, else one in the language of the sound, else the first. None: no text."""
    tracks = [track for track in probe.subtitles if track.is_text]
    spoken = probe.sound.language if probe.sound else ""
    ranked = sorted(tracks, key=lambda track: (not track.default, track.language != spoken, track.index))
    return ranked[0] if ranked else None


def has_text_track(probe: Probe) -> bool:
    """Whether there is anything to extract."""
    return best_text_track(probe) is not None


def extract_text_track(source: Path, probe: Probe, folder: Path) -> Path | None:
    """Writes the best text track into the folder as WebVTT; None where the file has none.

    Its text is as hostile as the rest of the file: whoever reads it must check it.
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
