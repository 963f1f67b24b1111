"""The ladder: which rungs a video gets, decided from its probe alone.

Reads like a table. Nothing here touches a file; `encode` turns a plan into one FFmpeg command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from video_assets.artifacts import digest
from video_assets.media.probe import SEGMENT_SECONDS, Audio, Probe, Video

VERSION = "ladder-4"
"""Raise it whenever the same plan would give other bytes."""

CRF_FROM = ((720, 22), (360, 23), (0, 24))
"""Quality by height of the rung: the first line that it reaches. Small pictures hide less, but are scaled up more."""
FULL_HD_RATE = 5_000_000
"""Cap of 1920x1080 at 30 frames a second, bit/s. The others follow from the area, less than proportionally."""
AREA_EXPONENT = 0.78
FLOOR_RATE = 48_000
MAX_FPS = 60.0
LONGEST_COPIED_GOP = 8.0
"""Seconds. A player can switch rungs and seek only at key frames."""
COPY_HEADROOM = 2.0
"""A source is copied up to this many times the cap of an encoded rung of its size."""
LATE = 0.04
"""Picture or sound that begins later than this, seconds, is padded: players do not agree on what to do before it."""
OUTLASTS = 0.5
"""Sound that goes on for longer than this after the picture, seconds, has the last picture held beside it."""
HD = 720
"""From this height on, a picture that does not say so is taken to have the colours of high definition."""
NEAREST = 0.9
"""Rungs between this part of a copied top rung's height and that height would only cost space."""

_COPIED_PROFILES = ("Constrained Baseline", "Baseline", "Main", "High", "Progressive High", "Constrained High")


@dataclass(frozen=True)
class Rung:
    """One rendition. Sizes in pixels, rates in bit/s; a copied one's rates are the source's."""

    name: str
    width: int
    height: int
    copy: bool
    crf: int
    maxrate: int
    bufsize: int
    fps: float


@dataclass(frozen=True)
class Sound:
    """The sound of every rung: AAC, copied where it is that already."""

    index: int
    """Number of the source's stream."""
    copy: bool
    bit_rate: int
    channels: int
    rate: int


@dataclass(frozen=True)
class Colours:
    """What the numbers of a picture mean, in FFmpeg's names. Every encoded rung says it, and is in limited range."""

    primaries: str
    transfer: str
    matrix: str


BT709 = Colours("bt709", "bt709", "bt709")


@dataclass(frozen=True)
class Ladder:
    """What is to be made of a source. Top rung first."""

    rungs: tuple[Rung, ...]
    audio: Sound | None
    encoded_because: str
    """Why the top rung is not a copy of the source; empty where it is."""
    key_times: tuple[float, ...] | None
    """Where segments begin, seconds: the copied source's own key frames. None: every `segment_seconds`."""
    pad_start: float
    """Seconds for which the first picture is held before it, so that the rungs begin at 0."""
    deinterlace: bool
    tone_map: bool
    change_fps: bool
    """The source's frame rate is higher than any rung's."""
    segment_seconds: float = SEGMENT_SECONDS
    pad_end: float = 0.0
    """Seconds for which the last picture is held, since the sound goes on."""
    colours: Colours = BT709
    """Of the encoded rungs."""

    def rung(self, name: str) -> Rung:
        """The rung of this name; KeyError where there is none."""
        for rung in self.rungs:
            if rung.name == name:
                return rung
        raise KeyError(name)

    def to_params(self) -> dict[str, Any]:
        """All that matters to the artifact's fingerprint beside the source and `VERSION`."""
        return {"rungs": [dict(vars(rung)) for rung in self.rungs], **self._shared()}

    def part(self, rung: Rung, source_hash: str) -> str:
        """The fingerprint of one rung alone: the same whichever other rungs are there, so that a rung added to the
        ladder is all that is made.

        It names what the rung is made from and how it shall be, not every bit of it: in one pass with others a rung
        is scaled from the one above it, alone from the source itself, and the scaler rounds a little differently.
        No eye and no VMAF sees it (a test does), and nothing is made from a rung. To have the same bits we would
        have to scale through heights that nobody asked for.
        """
        return digest({"version": VERSION, "source": source_hash, "rung": dict(vars(rung)), **self._shared()})

    def _shared(self) -> dict[str, Any]:
        return {
            "audio": dict(vars(self.audio)) if self.audio else None,
            "keys": "source" if self.key_times is not None else "regular",
            "segment_seconds": self.segment_seconds,
            "pad_start": self.pad_start,
            "pad_end": self.pad_end,
            "colours": dict(vars(self.colours)),
            "deinterlace": self.deinterlace,
            "tone_map": self.tone_map,
        }


def plan(probe: Probe, heights: Sequence[int]) -> Ladder:
    """The ladder for a source, of rungs at most as high as it (portrait: as wide). `heights` in any order."""
    sound = plan_sound(probe.sound)
    video = probe.video
    if video is None:
        return _audio_only(sound)
    encoded_because = why_encoded(probe, max(heights))
    rate = frame_rate(video)
    top = [_copied(video, rate)] if not encoded_because else []
    limit = video.short_side * NEAREST if top else video.short_side
    fitting = [height for height in sorted(set(heights), reverse=True) if height <= limit]
    fitting = fitting if fitting or top else [video.short_side]
    rungs = [_encoded(video, height, rate, copied=bool(top)) for height in fitting]
    return Ladder(
        rungs=tuple(top + _distinct(rungs)),
        audio=sound,
        encoded_because=encoded_because,
        key_times=None if encoded_because else video.segment_starts,
        pad_start=padding(video),
        deinterlace=video.interlaced,
        tone_map=video.hdr,
        change_fps=source_rate(video) > MAX_FPS,
        pad_end=outlasting(probe),
        colours=colours(video),
    )


def why_encoded(probe: Probe, highest: int) -> str:
    """Why the picture cannot be copied as the top rung; empty where it can."""
    return next(_reasons_to_encode(probe, highest), "")


def _reasons_to_encode(probe: Probe, highest: int) -> Iterator[str]:
    """One after the other, as all but the first are rarely asked for: staleness plans ten thousands of ladders."""
    video = probe.video
    if video is None:
        yield "there is no picture"
        return
    if video.codec != "h264" or video.profile not in _COPIED_PROFILES:
        yield f"{video.codec} {video.profile}".strip()
    if video.pix_fmt != "yuv420p" or video.bit_depth != 8:
        yield f"pixel format {video.pix_fmt}"
    if not probe.container.startswith(("mov", "matroska")):
        yield f"container {probe.container}"
    if video.interlaced:
        yield "interlaced"
    if video.rotation != 0:
        yield f"rotated by {video.rotation} degrees"
    if video.mirrored:
        yield "mirrored"
    if not video.square_pixels:
        yield f"pixels of {video.sample_aspect}"
    if video.width % 2 == 1 or video.height % 2 == 1:
        yield "odd size"
    if video.hdr:
        yield "high dynamic range"
    if not video.clean:
        yield "time stamps or packets are not in order"
    if not video.closed_gops:
        yield "open groups of pictures"
    if video.start > LATE:
        yield f"the picture begins {video.start:.1f} s late"
    if (seconds := outlasting(probe)) > 0:
        yield f"the sound goes on for {seconds:.1f} s after the picture"
    if video.longest_gop > LONGEST_COPIED_GOP:
        yield f"key frames up to {video.longest_gop:.1f} s apart"
    if source_rate(video) > MAX_FPS:
        yield f"{source_rate(video):.0f} frames a second"
    if video.short_side > highest:
        yield f"larger than the highest rung ({highest})"
    if video.bit_rate > _copy_limit(video):
        yield f"bit rate of {video.bit_rate / 1e6:.1f} Mbit/s"


def plan_sound(sound: Audio | None) -> Sound | None:
    """AAC for every rung: the source's own where browsers play it, else a stereo encoding."""
    if sound is None or not sound.channels:
        return None
    copy = (
        sound.codec == "aac"
        and sound.profile == "LC"
        and sound.channels <= 2
        and sound.clean
        and sound.start <= LATE
        and 22_050 <= sound.rate <= 48_000
        and sound.bit_rate <= 288_000
    )
    if copy:
        return Sound(sound.index, True, sound.bit_rate, sound.channels, sound.rate)
    channels = min(2, sound.channels)
    return Sound(sound.index, False, 64_000 * channels, channels, 44_100 if sound.rate == 44_100 else 48_000)


def source_rate(video: Video) -> float:
    """Frames a second that the source really has: the nominal rate, where it varies the counted one."""
    return video.avg_fps if video.variable_rate and video.avg_fps > 0 else video.fps


def frame_rate(video: Video) -> float:
    """Frames a second of the rungs: the source's, halved until it is at most `MAX_FPS`."""
    rate = source_rate(video)
    while rate > MAX_FPS:
        rate /= 2
    return round(rate, 4)


def padding(video: Video) -> float:
    """Seconds that the picture begins too late."""
    return video.start if video.start > LATE else 0.0


def outlasting(probe: Probe) -> float:
    """Seconds that the sound goes on after the picture; 0 where it is hardly any."""
    if probe.video is None or probe.sound is None:
        return 0.0
    longer = probe.sound.end - probe.video.end
    return round(longer, 6) if longer > OUTLASTS else 0.0


def colours(video: Video) -> Colours:
    """The colours of the encoded rungs: the source's, as far as it says; high dynamic range is brought to BT.709.

    Players guess what is not said, and by the size of the picture: a ladder would change its colours on the way down.
    """
    if video.hdr:
        return BT709
    assumed = "bt709" if video.short_side >= HD or video.color_space == "gbr" else "smpte170m"
    matrix = "bt709" if video.color_space == "gbr" else video.color_space or assumed
    return Colours(video.color_primaries or assumed, video.color_transfer or assumed, matrix)


def size_for(display_width: int, display_height: int, short_side: int) -> tuple[int, int]:
    """Even width and height with the source's aspect, the short side at most `short_side`; never larger than it."""
    short, long = sorted((display_width, display_height))
    new_short = _even_down(min(short_side, short))
    new_long = min(_even(new_short * long / short), _even_down(long))
    return (new_long, new_short) if display_width >= display_height else (new_short, new_long)


def cap(width: int, height: int, fps: float) -> int:
    """The highest bit rate of an encoded rung of this size, bit/s."""
    motion = max(1.0, fps / 30) ** 0.5
    return _rate(FULL_HD_RATE * motion * _scaled(width * height, 1920 * 1080))


def cap_by_source(video: Video, width: int, height: int, *, copied: bool) -> int:
    """No rung needs more bits than the source's picture spent, area for area; bit/s.

    Beside a copied top rung each lower one then asks for less than it. A source that is encoded may be of a better
    codec, so it gets twice that.
    """
    share = _scaled(width * height, video.display_width * video.display_height)
    return _rate(video.peak_bit_rate * share * (1 if copied else 2))


@lru_cache(maxsize=4096)
def _scaled(area: int, whole: int) -> float:
    return float((area / whole) ** AREA_EXPONENT)


def _rate(bits: float) -> int:
    return max(FLOOR_RATE, 1000 * int(bits / 1000))


def _copied(video: Video, rate: float) -> Rung:
    peak = max(video.peak_bit_rate, FLOOR_RATE)
    return Rung(f"{video.short_side}p", video.width, video.height, True, 0, peak, 2 * peak, rate)


@lru_cache(maxsize=4096)
def _shape(display_width: int, display_height: int, height: int, rate: float) -> tuple[int, int, int, int]:
    """Width, height, CRF and cap of a rung: the same for every source of this size and rate, and asked for again and
    again when staleness plans the ladders of a whole library."""
    width, tall = size_for(display_width, display_height, height)
    crf = next(crf for least, crf in CRF_FROM if height >= least)
    return width, tall, crf, cap(width, tall, rate)


def _encoded(video: Video, height: int, rate: float, *, copied: bool) -> Rung:
    width, tall, crf, most = _shape(video.display_width, video.display_height, height, rate)
    maxrate = min(most, cap_by_source(video, width, tall, copied=copied))
    return Rung(f"{min(width, tall)}p", width, tall, False, crf, maxrate, 2 * maxrate, rate)


def _distinct(rungs: Sequence[Rung]) -> list[Rung]:
    """Without rungs that an odd height made the same as another."""
    return list({rung.name: rung for rung in rungs}.values())


def _audio_only(sound: Sound | None) -> Ladder:
    rate = sound.bit_rate if sound else 0
    rung = Rung("audio", 0, 0, bool(sound and sound.copy), 0, rate, 2 * rate, 0.0)
    because = "" if rung.copy else "the sound is not AAC"
    return Ladder((rung,), sound, because, None, 0.0, deinterlace=False, tone_map=False, change_fps=False)


def _copy_limit(video: Video) -> float:
    return COPY_HEADROOM * cap(video.width, video.height, source_rate(video)) + 500_000


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))


def _even_down(value: int) -> int:
    return max(2, value // 2 * 2)
