"""What a media file is: containers, streams, times. Read by PyAV in a limited child, kept as plain facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from video_assets.errors import PermanentError
from video_assets.media.sandbox.process import FORMATS, Limits, run_python

VERSION = "probe-3"
SEGMENT_SECONDS = 4.0
"""Segments are at least this long, but for the last."""

MAX_GAP = 900.0
"""Longest time without a new picture, and of pauses in the sound together, seconds."""

LIMITS = Limits(address_space_bytes=3 * 2**29, cpu_seconds=300, file_bytes=0, wall_seconds=600, stall_seconds=600)

_HDR = ("smpte2084", "arib-std-b67")


@dataclass(frozen=True)
class Video:
    """The picture. Sizes in pixels, times in seconds from the file's start, rates in bit/s."""

    index: int
    """Number of the stream in the file."""
    codec: str
    profile: str
    level: int
    pix_fmt: str
    bit_depth: int
    width: int
    """As coded, before pixel shape and rotation."""
    height: int
    sample_aspect: str
    """Shape of a pixel, width/height: `1/1` is square."""
    display_width: int
    """As shown: square pixels, upright."""
    display_height: int
    rotation: int
    """Degrees: 0, 90, 180, 270."""
    fps: float
    """The nominal frame rate."""
    avg_fps: float
    """Frames over time, as counted."""
    variable_rate: bool
    interlaced: bool
    time_base: str
    bit_rate: int
    peak_bit_rate: int
    """Highest over any one segment."""
    frames: int
    start: float
    end: float
    color_transfer: str
    """FFmpeg's name, or its number for rarer ones; empty where the file does not say. So are the next three."""
    color_primaries: str
    color_space: str
    color_range: str
    clean: bool
    """Every packet is whole and well timed, so that the stream can be copied as it is."""
    key_frames: int
    longest_gop: float
    """Longest time from a key frame to the next, or to the end."""
    closed_gops: bool
    """Nothing looks back beyond a key frame."""
    segment_starts: tuple[float, ...]
    """Key frames at which segments of `SEGMENT_SECONDS` can begin, the first one included."""
    mirrored: bool = False
    """Left and right are exchanged when it is shown, by its display matrix."""

    @property
    def short_side(self) -> int:
        """The number that names a rung: 720 of 1280x720 and of 720x1280."""
        return min(self.display_width, self.display_height)

    @property
    def square_pixels(self) -> bool:
        return self.sample_aspect in ("1", "1/1") or Fraction(self.sample_aspect) == 1

    @property
    def hdr(self) -> bool:
        """Whether the picture needs tone mapping for ordinary screens."""
        return self.color_transfer in _HDR


@dataclass(frozen=True)
class Audio:
    """One sound track."""

    index: int
    codec: str
    profile: str
    channels: int
    rate: int
    """Samples per second."""
    bit_rate: int
    language: str
    default: bool
    start: float
    end: float
    clean: bool
    title: str = ""
    """What the file calls the track: "Commentary"."""


@dataclass(frozen=True)
class Subtitle:
    """One subtitle track; `is_text` is false for pictures of text."""

    index: int
    codec: str
    language: str
    default: bool
    is_text: bool


@dataclass(frozen=True)
class Chapter:
    """A chapter that the file brought along, seconds."""

    start: float
    end: float
    title: str


@dataclass(frozen=True)
class Cover:
    """The picture on the sleeve of something that is only heard; seen to be one that can be decoded."""

    index: int
    width: int
    height: int


@dataclass(frozen=True)
class Probe:
    """A media file that can be worked on: it has a picture or sound."""

    container: str
    """The demuxer's names, comma separated."""
    duration: float
    """Seconds, measured on packets, not what a header claims."""
    bit_rate: int
    size: int
    """Bytes."""
    video: Video | None
    audio: tuple[Audio, ...]
    subtitles: tuple[Subtitle, ...]
    chapters: tuple[Chapter, ...]
    title: str
    cover: Cover | None = None

    @cached_property
    def sound(self) -> Audio | None:
        """The sound track to use: the default one, else the first."""
        return next((track for track in self.audio if track.default), next(iter(self.audio), None))

    @property
    def playable_progressively(self) -> bool:
        """Whether every current browser plays the file as it is."""
        video, sound = self.video, self.sound
        if video is None or video.bit_depth != 8:
            return False
        heard = sound.codec if sound else None
        if self.container.startswith("mov"):
            return video.codec == "h264" and video.pix_fmt in ("yuv420p", "yuvj420p") and heard in (None, "aac", "mp3")
        if "webm" in self.container:
            return video.codec in ("vp8", "vp9") and heard in (None, "opus", "vorbis")
        return False

    def to_facts(self) -> dict[str, Any]:
        """As plain JSON values, for the manifest."""
        return asdict(self) | {"playable_progressively": self.playable_progressively}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Probe:
        """From `to_facts`, whether or not it went through JSON; other facts beside them are left alone."""
        video = facts["video"]
        return cls(
            container=facts["container"],
            duration=facts["duration"],
            bit_rate=facts["bit_rate"],
            size=facts["size"],
            video=Video(**{**video, "segment_starts": tuple(video["segment_starts"])}) if video else None,
            audio=tuple(Audio(**track) for track in facts["audio"]),
            subtitles=tuple(Subtitle(**track) for track in facts["subtitles"]),
            chapters=tuple(Chapter(**chapter) for chapter in facts["chapters"]),
            title=facts["title"],
            cover=Cover(**facts["cover"]) if facts.get("cover") else None,
        )


def probe(path: Path, *, max_streams: int, max_pixels: int, max_duration: float) -> Probe:
    """Reads the file through and tells what it is. Limits: streams, pixels of a frame, seconds.

    Raises PermanentError with a line for the uploader where it is no video, broken, or beyond a limit.
    """
    if path.stat().st_size == 0:
        raise PermanentError("the file is empty; upload it again")
    payload = {
        "path": str(path.absolute()),
        "formats": FORMATS,
        "segment_seconds": SEGMENT_SECONDS,
        "max_streams": max_streams,
        "max_pixels": max_pixels,
        "max_duration": max_duration,
        "max_gap": MAX_GAP,
    }
    return Probe.from_facts(run_python("video_assets.media.probe_child", payload, limits=LIMITS, reads=[path]))
