"""Extracts the audio track in the form that speech recognition reads: 16 kHz, mono, 16-bit WAV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Limits, Progress, input_args, run_ffmpeg

FILE = "speech.wav"
RATE = 16_000
"""Samples per second, one channel of 16 bits."""


def extract_speech_audio(
    source: Path, probe: Probe, folder: Path, *, on_progress: Callable[[Progress], None] | None = None
) -> Path | None:
    """Writes the audio track into the folder as 16 kHz mono WAV and returns its path; None if the video has no sound.

    Gaps and a late start are filled with silence, so that a time in the WAV is the same time in the video.
    Raises what `run_ffmpeg` raises.
    """
    sound = probe.sound
    if sound is None or not sound.channels:
        return None
    path = folder / FILE
    args = [
        *input_args(source),
        "-map",
        f"0:{sound.index}",
        "-map_metadata",  # no metadata: text of the uploader has no business in the WAV
        "-1",
        "-af",  # async fills gaps with silence; first_pts=0 does the same before a late start
        "aresample=async=1:first_pts=0",
        "-ac",  # mono
        "1",
        "-ar",
        str(RATE),
        "-c:a",
        "pcm_s16le",
        "-f",
        "wav",
        f"file:{path.absolute()}",
    ]
    limits = Limits(
        address_space_bytes=2 * 2**30,
        cpu_seconds=120 + int(probe.duration),
        file_bytes=int((probe.duration * 1.2 + 60) * RATE * 2),
        wall_seconds=300 + 2 * probe.duration,
        stall_seconds=60,
    )
    run_ffmpeg(
        args,
        limits=limits,
        reads=[source],
        writes=folder,
        duration=probe.duration,
        on_progress=on_progress,
        what="reading the sound",
    )
    return path
