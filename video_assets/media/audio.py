"""The sound as speech recognition wants it."""

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
    """Writes the sound into the folder as 16 kHz mono WAV; None where there is none.

    Gaps and a late start are filled with silence, so that a moment in the WAV is that moment of the video.
    """
    sound = probe.sound
    if sound is None or not sound.channels:
        return None
    path = folder / FILE
    args = [
        *input_args(source),
        "-map",
        f"0:{sound.index}",
        "-map_metadata",
        "-1",
        "-af",
        "aresample=async=1:first_pts=0",
        "-ac",
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
