"""What the hostile corpus is cut from: small honest clips in every container, the same bytes each time.

One thread, no processor-specific code, no dates: a seed names the same damage on every machine with this FFmpeg.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from video_assets_tests.media.clips import ffmpeg

BITEXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
SIZE, RATE, SECONDS = "160x90", 10, 2
BASELINE = ["-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "32k", "-ar", "16000", "-ac", "1"]

CONTAINERS: dict[str, list[str]] = {
    "mp4": [*BASELINE, *AAC],
    "mov": ["-c:v", "mpeg4", "-b:v", "100k", "-c:a", "pcm_s16le", "-ar", "8000"],
    "fragmented.mp4": [*BASELINE, *AAC, "-movflags", "+frag_keyframe+empty_moov+default_base_moof"],
    "mkv": [*BASELINE, *AAC],
    "webm": ["-c:v", "libvpx", "-b:v", "100k", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"],
    "ts": [*BASELINE, *AAC],
    "avi": ["-c:v", "mpeg4", "-b:v", "100k", "-c:a", "mp2", "-ar", "16000"],
    "flv": [*BASELINE, *AAC],
    "ogv": ["-c:v", "libtheora", "-b:v", "100k", "-c:a", "libvorbis", "-ar", "16000"],
    "wmv": ["-c:v", "wmv2", "-b:v", "100k", "-c:a", "wmav2", "-ar", "16000"],
    "mpg": ["-c:v", "mpeg2video", "-r", "25", "-b:v", "100k", "-c:a", "mp2", "-ar", "16000"],
}
"""Ending → how its clip is made. Every demuxer that holds a picture is here."""


@dataclass
class Kit:
    """Where base clips are kept, and what the corpus points at."""

    folder: Path
    canary: Path
    """A readable clip outside of every upload; whoever opens it has followed a lure."""
    port: int = 9
    """Of 127.0.0.1, for lures that connect."""
    _made: dict[tuple[str, ...], bytes] = field(default_factory=dict)

    def clip(self, ending: str, *options: str) -> bytes:
        """The base clip in this container; further output options come last."""
        picture = f"testsrc2=size={SIZE}:rate={RATE}:duration={SECONDS}"
        sound = f"sine=frequency=440:sample_rate=16000:duration={SECONDS}"
        inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
        return self.ffmpeg(ending, *inputs, *CONTAINERS[ending], *options)

    def ffmpeg(self, ending: str, *args: str) -> bytes:
        """What FFmpeg makes of these arguments, the output's name left out."""
        key = (ending, *args)
        if key not in self._made:
            path = self.folder / f"made.{ending}"
            ffmpeg("-cpuflags", "0", *args, *BITEXACT, str(path), timeout=300)
            self._made[key] = path.read_bytes()
            path.unlink()
        return self._made[key]

    def remade(self, ending: str, data: bytes, *args: str, source: str = "mp4") -> bytes:
        """FFmpeg's output for this very input."""
        given = self.folder / f"given.{source}"
        given.write_bytes(data)
        path = self.folder / f"remade.{ending}"
        ffmpeg("-cpuflags", "0", "-i", str(given), *args, *BITEXACT, str(path))
        return path.read_bytes()


@dataclass(frozen=True)
class Hostile:
    """One file of the corpus, and what must become of it."""

    name: str
    make: Callable[[Kit], bytes]
    outcome: str
    """`ready`, or words of the one line that the uploader reads."""
    captions: Callable[[Kit], bytes] | None = None
    """A side-car file."""
    captions_ending: str = ".vtt"
    quick: bool = False
    """One of the telling third that runs with every change."""


def chosen(seed: str) -> random.Random:
    """A generator for this name: the same choices in every process."""
    return random.Random(seed)


def flipped(data: bytes, seed: str, bits: int) -> bytes:
    """The data with so many bits turned over."""
    random_bits, damaged = chosen(seed), bytearray(data)
    for _ in range(bits):
        at = random_bits.randrange(8 * len(damaged))
        damaged[at // 8] ^= 1 << at % 8
    return bytes(damaged)
