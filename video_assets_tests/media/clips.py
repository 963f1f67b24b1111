"""Honest clips for tests, generated in a moment with the same FFmpeg but none of the code under test."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg


def ffmpeg(*args: str, timeout: float = 60) -> str:
    """Runs FFmpeg with these arguments, for making and measuring clips; returns what it wrote to stderr."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", *args]
    ran = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout)
    message = ran.stderr.decode(errors="replace")
    if ran.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(args)}\n{message[-2000:]}")
    return message


def make_clip(
    path: Path,
    *,
    seconds: float = 4,
    size: tuple[int, int] = (640, 360),
    fps: float = 30,
    audio: bool = True,
    captions: str | None = None,
    gop_seconds: float = 2,
    video: Sequence[str] = (),
) -> Path:
    """A moving test picture with a tone, H.264/AAC, its container named by the ending of `path`.

    `captions` is WebVTT or SRT text, embedded as a text track. `video` holds output options put after the
    usual ones, so that they win (`["-pix_fmt", "yuv444p"]`).
    """
    width, height = size
    gop = max(1, round(gop_seconds * fps))
    args = ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={fps}:duration={seconds}"]
    if audio:
        args += ["-f", "lavfi", "-i", f"sine=frequency=440:beep_factor=4:sample_rate=48000:duration={seconds}"]
    with tempfile.TemporaryDirectory() as folder:
        if captions is not None:
            text = Path(folder) / ("captions.vtt" if captions.startswith("WEBVTT") else "captions.srt")
            text.write_text(captions, encoding="utf-8")
            codec = "mov_text" if path.suffix in (".mp4", ".mov", ".m4v") else "srt"
            args += ["-i", str(text)]
        args += ["-map", "0:v"] + (["-map", "1:a", "-c:a", "aac", "-b:a", "96k", "-ac", "2"] if audio else [])
        if captions is not None:
            args += ["-map", str(1 + audio), "-c:s", codec, "-metadata:s:s:0", "language=eng"]
        args += ["-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "high", "-pix_fmt", "yuv420p"]
        args += ["-b:v", "600k", "-maxrate", "900k", "-bufsize", "1200k", "-threads", "1"]
        args += ["-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", "-x264-params", "open-gop=0"]
        if path.suffix in (".mp4", ".mov", ".m4v"):
            args += ["-movflags", "+faststart"]
        ffmpeg(*args, *video, "-t", str(seconds), str(path))
    return path
