"""Sound for speech recognition: 16 kHz, mono."""

from __future__ import annotations

from pathlib import Path

from video_assets.media.probe import Probe
from video_assets.media.process import Limits, input_args, run_ffmpeg

RATE = 16_000


def extract_speech_audio(source: Path, probe: Probe, folder: Path) -> Path | None:
    """Writes the sound into the folder as `speech.wav` (16-bit, 16 kHz, mono); None where there is none."""
    sound = probe.sound
    if sound is None:
        return None
    target = folder / "speech.wav"
    limits = Limits(
        address_space_bytes=2**30,
        cpu_seconds=60 + int(probe.duration),
        file_bytes=int(probe.duration * RATE * 2 * 1.1) + 2**20,
        wall_seconds=120 + probe.duration,
        stall_seconds=60,
    )
    # A late start is padded, so that the words keep their places in the video.
    how = ["-map", f"0:{sound.index}", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(RATE)]
    how += ["-c:a", "pcm_s16le", "-f", "wav", "-fflags", "+bitexact"]
    args = [*input_args(source), *how, f"file:{target.absolute()}"]
    run_ffmpeg(args, limits=limits, duration=probe.duration, what="reading the sound")
    return target
