"""What the tests of media share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_assets.media import probe as probing
from video_assets.media.probe import Audio, Probe, Video
from video_assets_tests.media.clips import make_clip

CAPTIONS = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHerons at the harbour.\n\n00:00:03.000 --> 00:00:05.000\nBread.\n"


def read(path: Path) -> Probe:
    """The probe of a file, with generous limits."""
    return probing.probe(path, max_streams=64, max_pixels=8192 * 4320, max_duration=12 * 3600)


def video_facts(**changes: Any) -> Video:
    """The picture of an ordinary 1280x720 H.264 file of ten seconds."""
    facts: dict[str, Any] = {
        "index": 0,
        "codec": "h264",
        "profile": "High",
        "level": 31,
        "pix_fmt": "yuv420p",
        "bit_depth": 8,
        "width": 1280,
        "height": 720,
        "sample_aspect": "1/1",
        "display_width": 1280,
        "display_height": 720,
        "rotation": 0,
        "fps": 30.0,
        "avg_fps": 30.0,
        "variable_rate": False,
        "interlaced": False,
        "time_base": "1/15360",
        "bit_rate": 1_500_000,
        "peak_bit_rate": 2_000_000,
        "frames": 300,
        "start": 0.0,
        "end": 10.0,
        "color_transfer": "",
        "color_primaries": "",
        "color_space": "",
        "color_range": "",
        "clean": True,
        "key_frames": 5,
        "longest_gop": 2.0,
        "closed_gops": True,
        "segment_starts": (0.0, 4.0, 8.0),
    }
    return Video(**{**facts, **changes})


def audio_facts(**changes: Any) -> Audio:
    """An ordinary AAC track of ten seconds."""
    facts: dict[str, Any] = {
        "index": 1,
        "codec": "aac",
        "profile": "LC",
        "channels": 2,
        "rate": 48_000,
        "bit_rate": 128_000,
        "language": "eng",
        "default": True,
        "start": -0.021333,
        "end": 10.0,
        "clean": True,
    }
    return Audio(**{**facts, **changes})


def probe_facts(video: Video | None, *audio: Audio, **changes: Any) -> Probe:
    """An ordinary MP4 around these streams."""
    facts: dict[str, Any] = {
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "duration": 10.0,
        "bit_rate": 1_600_000,
        "size": 2_000_000,
        "video": video,
        "audio": audio,
        "subtitles": (),
        "chapters": (),
        "title": "",
    }
    return Probe(**{**facts, **changes})


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds that can be copied, with captions."""
    return make_clip(
        tmp_path_factory.mktemp("clips") / "clip.mp4",
        seconds=8,
        size=(640, 360),
        captions=CAPTIONS,
        video=["-bf", "2", "-preset", "veryfast"],
    )


@pytest.fixture(scope="session")
def making(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a clip in a folder of its own: `making("name.mp4", seconds=2, …)`."""

    def make(name: str, **options: Any) -> Path:
        return make_clip(tmp_path_factory.mktemp("clips") / name, **options)

    return make
