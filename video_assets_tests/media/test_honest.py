"""Every kind of honest file and what becomes of it: the table, and one measurement for all of it.

What was made is measured by decoding it with FFmpeg and PyAV; the code under test is asked only for its plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from PIL import Image

from video_assets.media import encode, hls, inspect, ladder, stills
from video_assets.media.ladder import Ladder
from video_assets.media.probe import Probe
from video_assets_tests.media import honest, measure
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import read
from video_assets_tests.media.honest import COPYABLE, PLAIN, X264, clip, remade

HEIGHTS = (180, 144, 96)
FULL = "320x180 256x144 170x96"
COPIED = "320x180* 256x144 170x96"
TALL = "180x320 144x256 96x170"
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
BT709 = (1, 1, 1, 1)
DRIFT = 0.040


@dataclass(frozen=True)
class Result:
    """A clip and what was made of it."""

    source: Path
    probe: Probe
    plan: Ladder
    folder: Path

    def rung(self, name: str) -> Path:
        return self.folder / f"{name}.mp4"

    @property
    def lowest(self) -> Path:
        return self.rung(self.plan.rungs[-1].name)

    @property
    def rungs(self) -> list[Path]:
        return [self.rung(rung.name) for rung in self.plan.rungs]


@dataclass(frozen=True)
class Kind:
    """A kind of file and its stated outcome."""

    make: Callable[[Path], Path]
    rungs: str = FULL
    """Sizes from the top one down, a star at one that is copied; `sound` where there is no picture."""
    because: str = ""
    """Part of the reason why the top rung is not a copy."""
    seconds: float = honest.SECONDS
    pictures: int | None = 120
    channels: int | None = 2
    marks: bool = True
    """Whether the clip has its white pictures and tones."""
    track: int = 0
    """Which of the source's sound tracks is to be heard."""
    look: Callable[[Result], None] | None = None
    """What else must be so."""
    quick: bool = False
    """Whether it is tried with every change, as one of those that tell most."""


def upright(result: Result) -> None:
    """The timecode in testsrc2's upper left corner stays there: the picture is neither turned nor mirrored.

    The rung is compared with FFmpeg's own rendering of the source, which follows the display matrix.
    """
    size = measure.seen(result.lowest).size
    rendered = result.folder / "rendered.mkv"
    ffmpeg(
        "-i",
        str(result.source),
        "-frames:v",
        "1",
        "-an",
        "-vf",
        f"scale={size[0]}:{size[1]},format=yuv420p",
        "-c:v",
        "ffv1",
        str(rendered),
    )
    wanted, found = measure.grey(rendered).astype(int), measure.grey(result.lowest).astype(int)
    right = abs(wanted - found).mean()
    for wrong in (found[::-1], found[:, ::-1], found[::-1, ::-1]):
        assert abs(wanted - wrong).mean() > 4 * right


def grey_steps(result: Result) -> None:
    """Black, middle grey, white and red come out as BT.709 has them in limited range, and say so."""
    for path in result.rungs:
        assert measure.seen(path).tags[2:] == (1, 1)
        black, middle, white, red = (measure.colour(path, at) for at in (0.125, 0.375, 0.625, 0.875))
        for (luma, *chroma), wanted in ((black, 16), (middle, 126), (white, 235)):
            assert abs(luma - wanted) <= 3
            assert max(abs(c - 128) for c in chroma) <= 3
        assert all(abs(is_ - wanted) <= 4 for is_, wanted in zip(red, (63, 102, 240), strict=True)), red


def tone_mapped(result: Result) -> None:
    """BT.709 tags on every rung; black stays black, reference white is bright and not burnt out, red is red."""
    for path in result.rungs:
        assert measure.seen(path).tags == BT709
        black, white, red = (measure.colour(path, at) for at in (1 / 6, 0.5, 5 / 6))
        assert black[0] <= 18
        assert 165 <= white[0] <= 235
        assert max(abs(c - 128) for c in white[1:]) <= 3
        assert red[2] > 180
        assert red[1] < 125


def speech_kept(decibels: float) -> Callable[[Result], None]:
    """The middle channel's tone is in both channels, hardly more than so much lower than it was there alone."""

    def look(result: Result) -> None:
        heard = measure.heard(result.lowest)
        assert heard is not None
        assert len(heard.beeps) == 2
        assert min(heard.peaks) > 0.4 * 10 ** (-decibels / 20)
        assert max(heard.peaks) <= 1.0

    return look


def named_tracks(result: Result) -> None:
    assert [(t.language, t.title, t.default) for t in result.probe.audio] == [
        ("deu", "Deutsch", False),
        ("eng", "English", True),
        ("fra", "Commentaire", False),
    ]


def sixty_tracks(result: Result) -> None:
    assert len(result.probe.audio) == 60
    assert result.plan.audio is not None
    assert result.plan.audio.index == 60


def chapters(result: Result) -> None:
    found = [(chapter.start, chapter.end, chapter.title) for chapter in result.probe.chapters]
    assert found == [(0.0, 1.5, "The harbour"), (1.5, 4.0, "Bread; = # \\")]


def subtitles(codec: str, *, text: bool, language: str = "eng") -> Callable[[Result], None]:
    def look(result: Result) -> None:
        (track,) = result.probe.subtitles
        assert (track.codec, track.is_text, track.language) == (codec, text, language)

    return look


def waveform(result: Result) -> None:
    """The poster shows where the tones are: white columns there, none between them."""
    poster = measure.grey(result.folder / "poster.jpg")
    assert poster.shape == (720, 1280)
    columns = (poster > 128).mean(axis=0)
    at = [int(1280 * (mark + 0.2) / result.probe.duration) for mark in honest.MARKS]
    assert min(columns[each] for each in at) > 0.2
    assert columns[int(1280 * 2 / result.probe.duration)] < 0.02


def sleeve(result: Result) -> None:
    """The poster is the picture on the sleeve, at its own size."""
    with Image.open(result.folder / "poster.jpg") as poster:
        assert poster.size == (300, 300)
        sides = [poster.convert("RGB").resize((2, 1)).getpixel((at, 0)) for at in (0, 1)]
    for found, wanted in zip(sides, ((255, 165, 0), (0, 0, 255)), strict=True):
        assert max(abs(is_ - should) for is_, should in zip(found, wanted, strict=True)) < 40, found


def pictures_at_most(rate: float) -> Callable[[Result], None]:
    def look(result: Result) -> None:
        times = measure.seen(result.lowest).times
        assert len(times) <= rate * honest.SECONDS + 1

    return look


def one_colour(result: Result) -> None:
    """The picture that stands is to be seen to the end."""
    assert measure.colour(result.lowest, 0.5)[1] > 140


def late_sound(result: Result) -> None:
    heard = measure.heard(result.lowest)
    assert heard is not None
    assert heard.beeps[0] == pytest.approx(1.8, abs=DRIFT)


def apart(
    *, picture: float = honest.SECONDS, sound: float = honest.SECONDS, late: str = "", name: str = "a.mkv"
) -> Callable[[Path], Path]:
    """Picture and sound of different lengths; `late` names the one that begins a second late."""

    def make(folder: Path) -> Path:
        shift = {late: ["-itsoffset", "1"]}
        inputs = [*shift.get("picture", []), *honest.picture(seconds=picture)]
        inputs += [*shift.get("sound", []), *honest.tone(seconds=sound)]
        ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", *COPYABLE, *honest.AAC, str(folder / name))
        return folder / name

    return make


KINDS = {
    # What can be copied.
    "faststart MP4": Kind(PLAIN, COPIED, quick=True),
    "moov at the end": Kind(clip("a.mp4"), COPIED),
    "MOV, portrait": Kind(clip("a.mov", size="180x320"), "180x320* 144x256 96x170"),
    "MKV with reordered pictures": Kind(clip("a.mkv"), COPIED, quick=True),
    "23.976 frames a second": Kind(clip("a.mp4", rate="24000/1001"), COPIED, pictures=96),
    "start at 100 s, MKV": Kind(clip("a.mkv", "-output_ts_offset", "100"), COPIED),
    "varying frame times": Kind(
        clip("a.mp4", "-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr"),
        COPIED,
        seconds=4.1,
        pictures=None,
    ),
    # Sizes and shapes.
    "odd size, 4:4:4": Kind(
        clip("a.mp4", size="321x181", video=(*X264, "-pix_fmt", "yuv444p")), because="4:4:4", quick=True
    ),
    "odd size, 4:2:0": Kind(clip("a.webm", size="321x181", video=VP9, audio=("-c:a", "libopus")), because="vp9"),
    "tiny": Kind(clip("a.mp4", size="16x16"), "16x16*"),
    "one pixel": Kind(
        clip("a.mkv", "-vf", "crop=1:1:0:0:exact=1", "-pix_fmt", "yuv444p", size="4x4", video=("-c:v", "ffv1")),
        "2x2",
        "ffv1",
    ),
    "anamorphic": Kind(clip("a.mp4", "-vf", "setsar=16/11", size="360x288"), "328x180 262x144 174x96", "pixels of"),
    **{
        f"turned by {angle}": Kind(
            remade(PLAIN, "r.mov", "-c", "copy", before=("-display_rotation", angle)),
            TALL if angle != "180" else FULL,
            "rotated",
            look=upright,
            quick=angle == "90",
        )
        for angle in ("90", "180", "270")
    },
    "mirrored left to right": Kind(
        remade(PLAIN, "r.mp4", "-c", "copy", before=("-display_hflip",)), because="rotated", look=upright
    ),
    "mirrored upside down": Kind(
        remade(PLAIN, "r.mp4", "-c", "copy", before=("-display_vflip",)), because="mirrored", look=upright
    ),
    "turned and mirrored": Kind(
        remade(PLAIN, "r.mp4", "-c", "copy", before=("-display_rotation", "90", "-display_hflip")),
        TALL,
        "rotated",
        look=upright,
    ),
    "a size that changes half-way": Kind(honest.two_sizes("a.ts"), because="mpegts", marks=False, channels=1),
    # Times.
    "120 frames a second": Kind(clip("a.mp4", rate="120"), because="120", pictures=240, look=pictures_at_most(60)),
    "interlaced MPEG-2": Kind(
        clip(
            "a.ts",
            "-vf",
            "interlace,setfield=tff",
            rate="60",
            audio=("-c:a", "mp2"),
            video=("-c:v", "mpeg2video", "-b:v", "2M", "-flags", "+ilme+ildct"),
        ),
        because="mpeg2video",
    ),
    "interlaced H.264": Kind(
        clip("a.mp4", "-vf", "interlace,setfield=tff", "-x264-params", "tff=1", rate="60"), because="interlaced"
    ),
    "edit list": Kind(
        remade(clip("p.mp4", "-g", "30"), "e.mp4", "-c", "copy", before=("-ss", "0.5")),
        because="not in order",
        seconds=3.5,
        pictures=105,
        quick=True,
    ),
    "negative time stamps": Kind(
        remade(PLAIN, "n.mp4", "-c", "copy", "-avoid_negative_ts", "disabled", "-output_ts_offset", "-0.4"),
        because="not in order",
        seconds=3.6,
        pictures=108,
    ),
    "negative time stamps, MKV": Kind(
        remade(PLAIN, "n.mkv", "-c", "copy", "-avoid_negative_ts", "disabled", "-output_ts_offset", "-0.4"),
        because="not in order",
    ),
    "start at 5,000 s, TS": Kind(clip("a.ts", "-output_ts_offset", "5000"), because="mpegts"),
    "time stamps that start over": Kind(clip("a.ts", "-output_ts_offset", "95441"), because="mpegts"),
    "open groups of pictures": Kind(
        clip("a.mp4", "-x264-params", "open-gop=1:keyint=30:bframes=3", video=(*X264, "-preset", "veryfast")),
        because="open groups",
    ),
    "picture a second late": Kind(apart(picture=3, late="picture"), because="late", pictures=None, marks=False),
    "sound a second late": Kind(apart(sound=3, late="sound"), COPIED, marks=False, look=late_sound, quick=True),
    "sound longer than the picture": Kind(
        apart(sound=9, name="a.mp4"), because="goes on for 5.0 s", seconds=9, pictures=270
    ),
    "picture longer than the sound": Kind(apart(picture=9, name="a.mp4"), COPIED, seconds=9, pictures=270),
    "one frame": Kind(
        clip("a.mp4", "-frames:v", "1", layout=None),
        because="bit rate",
        seconds=1 / 30,
        pictures=1,
        channels=None,
        marks=False,
        quick=True,
    ),
    "one frame under a song": Kind(
        honest.song_with_a_frame("a.mp4"),
        because="goes on",
        seconds=8,
        pictures=None,
        look=one_colour,
        marks=False,
    ),
    "one frame that lasts": Kind(
        honest.still("a.mp4", frames=1, rate="0.125"),
        "320x180* 256x144 170x96",
        seconds=8,
        pictures=1,
        look=one_colour,
        marks=False,
    ),
    "a still, one frame a second": Kind(honest.still("a.mp4"), COPIED, seconds=8, pictures=8, marks=False),
    "slides": Kind(honest.still("a.mp4", rate="1/3", seconds=12), because="apart", seconds=12, pictures=4, marks=False),
    # Colours.
    "ten bits": Kind(clip("a.mp4", video=(*X264, "-pix_fmt", "yuv420p10le")), because="High 10"),
    "HDR10": Kind(
        honest.hdr("a.mp4", "smpte2084"),
        because="hevc",
        seconds=2,
        pictures=60,
        marks=False,
        look=tone_mapped,
        quick=True,
    ),
    "HLG": Kind(
        honest.hdr("a.mkv", "arib-std-b67"), because="hevc", seconds=2, pictures=60, marks=False, look=tone_mapped
    ),
    "full range": Kind(
        honest.steps("a.mp4", *X264, "-pix_fmt", "yuvj420p", source="format=yuvj420p", range_="pc"),
        because="yuvj420p",
        seconds=2,
        pictures=60,
        channels=None,
        marks=False,
        look=grey_steps,
        quick=True,
    ),
    "RGB": Kind(
        honest.steps("a.mkv", "-c:v", "libx264rgb", "-preset", "ultrafast", source="format=gbrp"),
        because="4:4:4",
        seconds=2,
        pictures=60,
        channels=None,
        marks=False,
        look=grey_steps,
    ),
    # Sound.
    "mono": Kind(clip("a.mp4", layout="mono"), COPIED, channels=1),
    "silent": Kind(clip("a.mp4", layout=None), COPIED, channels=None),
    "5.1": Kind(honest.surround("a.mp4", "5.1", *honest.AAC), COPIED, look=speech_kept(8.5), quick=True),
    "5.1, AC-3": Kind(honest.surround("a.mkv", "5.1", "-c:a", "ac3"), COPIED, look=speech_kept(10.5)),
    "7.1": Kind(honest.surround("a.mp4", "7.1", "-c:a", "aac", "-b:a", "384k"), COPIED, look=speech_kept(10)),
    "7.1, FLAC": Kind(honest.surround("a.mkv", "7.1", "-c:a", "flac"), COPIED, look=speech_kept(10)),
    "several languages": Kind(
        honest.voices("a.mkv", ("deu", "Deutsch"), ("eng", "English"), ("fra", "Commentaire"), default=1),
        COPIED,
        track=1,
        look=named_tracks,
    ),
    "sixty sound tracks": Kind(
        honest.voices("a.mkv", *[("eng", f"track {number}") for number in range(60)], default=59),
        COPIED,
        track=59,
        look=sixty_tracks,
    ),
    "only heard, AAC": Kind(honest.heard("a.m4a", *honest.AAC), "sound*", pictures=None, look=waveform),
    "only heard, MP3": Kind(honest.heard("a.mp3"), "sound", "not AAC", pictures=None, look=waveform),
    "only heard, Opus": Kind(
        honest.heard("a.ogg", "-c:a", "libopus"), "sound", "not AAC", pictures=None, look=waveform
    ),
    "only heard, WAV": Kind(honest.heard("a.wav"), "sound", "not AAC", pictures=None, look=waveform),
    "only heard, FLAC": Kind(honest.heard("a.flac"), "sound", "not AAC", pictures=None, look=waveform),
    "cover art, M4A": Kind(honest.with_cover("a.m4a", honest.AAC), "sound*", pictures=None, look=sleeve, quick=True),
    "cover art, MP3": Kind(honest.with_cover("a.mp3", ()), "sound", "not AAC", pictures=None, look=sleeve),
    "cover art, FLAC": Kind(
        honest.with_cover("a.flac", (), cover="cover.jpg"), "sound", "not AAC", pictures=None, look=sleeve
    ),
    "damaged cover art": Kind(
        honest.with_cover("a.m4a", honest.AAC, cover="cover.jpg", damaged=True), "sound*", pictures=None, look=waveform
    ),
    # Text, chapters.
    "bitmap subtitles": Kind(
        honest.with_bitmap_subtitles("a.mkv"), COPIED, look=subtitles("hdmv_pgs_subtitle", text=False, language="fre")
    ),
    "text in MP4": Kind(honest.with_text("a.mp4", "mov_text"), COPIED, look=subtitles("mov_text", text=True)),
    "text in MKV": Kind(honest.with_text("a.mkv", "ass"), COPIED, look=subtitles("ass", text=True)),
    "text in WebM": Kind(honest.with_text("a.webm", "webvtt"), because="vp8", look=subtitles("webvtt", text=True)),
    "chapters in MP4": Kind(honest.with_chapters("a.mp4"), COPIED, look=chapters),
    "chapters in MKV": Kind(honest.with_chapters("a.mkv"), COPIED, look=chapters, quick=True),
    # Containers and codecs.
    "fragmented MP4": Kind(clip("a.mp4", "-movflags", "+frag_keyframe+delay_moov"), COPIED),
    "fragmented MP4, empty moov": Kind(
        clip("a.mp4", "-movflags", "+frag_keyframe+empty_moov"), because="late", seconds=4.067, pictures=None
    ),
    "WebM": Kind(clip("a.webm", video=VP8, audio=("-c:a", "libvorbis")), because="vp8", quick=True),
    "MOV, ProRes": Kind(clip("a.mov", video=("-c:v", "prores_ks"), audio=("-c:a", "pcm_s16le")), because="prores"),
    "AVI": Kind(
        clip("a.avi", video=("-c:v", "mpeg4", "-bf", "2", "-q:v", "4"), audio=("-c:a", "libmp3lame")), because="mpeg4"
    ),
    "AVI, MJPEG": Kind(
        clip("a.avi", video=("-c:v", "mjpeg", "-q:v", "4"), audio=("-c:a", "pcm_s16le")), because="mjpeg"
    ),
    "FLV": Kind(clip("a.flv"), because="flv"),
    "WMV": Kind(clip("a.wmv", video=("-c:v", "wmv2", "-q:v", "4"), audio=("-c:a", "wmav2")), because="wmv2"),
    "MPEG-PS": Kind(
        clip("a.mpg", video=("-c:v", "mpeg2video", "-q:v", "4", "-bf", "2"), audio=("-c:a", "mp2")),
        because="mpeg2video",
    ),
    "TS": Kind(clip("a.ts"), because="mpegts", quick=True),
    "HEVC": Kind(
        clip("a.mp4", video=("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")),
        because="hevc",
    ),
    "AV1": Kind(clip("a.mp4", video=("-c:v", "libsvtav1", "-preset", "12")), because="av1 Main"),
    "Theora": Kind(
        clip("a.ogv", video=("-c:v", "libtheora"), audio=("-c:a", "libvorbis")),
        because="theora",
        pictures=None,
        marks=False,
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if kind.quick else pytest.mark.slow) for name, kind in KINDS.items()]
)
def test_an_honest_file_comes_out_as_stated(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    result = made(kind.make(tmp_path), tmp_path / "made")
    assert verified(result) == []
    assert sizes(result.plan) == kind.rungs
    assert kind.because in result.plan.encoded_because
    assert bool(kind.because) == bool(result.plan.encoded_because)
    original = measure.seen(result.source) if result.probe.video and kind.marks else None
    for rung in result.plan.rungs:
        check_rung(kind, result, result.rung(rung.name), original)
    if kind.look is not None:
        kind.look(result)


def made(source: Path, folder: Path, heights: tuple[int, ...] = HEIGHTS) -> Result:
    folder.mkdir()
    probe = read(source)
    plan = ladder.plan(probe, heights)
    encode.encode(plan, probe, source, folder, plan.rungs)
    stills.finish(folder, probe)
    return Result(source, probe, plan, folder)


def verified(result: Result) -> list[str]:
    outcomes, _ = inspect.variants(result.folder, result.plan, result.probe)
    return [f"{outcome.name}: {outcome.summary}" for outcome in outcomes if not outcome.passed]


def sizes(plan: Ladder) -> str:
    return " ".join(
        (f"{rung.width}x{rung.height}" if rung.height else "sound") + "*" * rung.copy for rung in plan.rungs
    )


def check_rung(kind: Kind, result: Result, path: Path, original: measure.Seen | None) -> None:
    """One rung from its first frame to its last."""
    assert measure.complaints(path) == ""
    rung = result.plan.rung(path.stem)
    sound = measure.heard(path)
    assert (sound.channels if sound else None) == kind.channels
    if not rung.height:
        assert sound is not None
        assert sound.end == pytest.approx(kind.seconds, rel=0.005, abs=0.05)
        assert len(sound.beeps) == len(honest.MARKS)
        return
    picture = measure.seen(path)
    assert picture.size == (rung.width, rung.height)
    assert picture.formats == {"yuv420p"}
    assert picture.square
    assert not picture.turned
    assert not picture.interlaced
    # Beside sound that begins before it, the picture keeps its place.
    assert 0.0 <= picture.times[0] <= DRIFT
    assert picture.end == pytest.approx(kind.seconds, rel=0.005, abs=0.05)
    if kind.pictures is not None:
        assert len(picture.times) == pytest.approx(kind.pictures, abs=1 if kind.pictures > 1 else 0)
    if not rung.copy:
        assert 2 not in picture.tags[:3], "a colour is left to be guessed"
        assert picture.tags[3] == 1
    if original is None or sound is None:
        return
    before = measure.heard(result.source, kind.track)
    assert before is not None
    gap = [flash - beep for flash, beep in zip(picture.flashes, sound.beeps, strict=False)]
    was = [flash - beep for flash, beep in zip(original.flashes, before.beeps, strict=False)]
    assert len(gap) == len(was) >= 2 - (kind.seconds < honest.SECONDS)
    assert max(abs(now - then) for now, then in zip(gap, was, strict=True)) <= DRIFT


MASTERS = {
    "copied": (clip("a.mp4", rate="30000/1001", seconds=9, size="640x360"), 29.97),
    "varying": (clip("a.mp4", "-vf", "select='gt(t,2)+not(mod(n,5))'", "-fps_mode", "vfr", size="640x360"), 30.0),
    "silent": (clip("a.webm", rate="25", layout=None, size="640x360", video=VP8), 25.0),
}


@pytest.mark.parametrize("kind", MASTERS)
def test_the_master_playlist_tells_the_truth(kind: str, tmp_path: Path) -> None:
    """CODECS, RESOLUTION, FRAME-RATE and BANDWIDTH against what PyAV finds in the files themselves."""
    make, rate = MASTERS[kind]
    result = made(make(tmp_path), tmp_path / "made", (360, 240, 144))
    _, rows = inspect.variants(result.folder, result.plan, result.probe)
    lines = hls.master(rows).splitlines()
    told = [dict(re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line)) for line in lines if line.startswith("#EXT-X-STREAM")]
    assert [line for line in lines if not line.startswith("#")] == [f"{row['name']}.m3u8" for row in rows]
    for attributes, path in zip(told, result.rungs, strict=True):
        with av.open(str(path)) as container:
            picture, profile = container.streams.video[0], container.streams.video[0].codec_context.extradata[1:4]
            sound = next(iter(container.streams.audio), None)
            assert attributes["RESOLUTION"] == f"{picture.width}x{picture.height}"
            packets = [(float(p.pts * p.time_base), p.size) for p in container.demux() if p.size]
        assert attributes["CODECS"] == f'"avc1.{profile.hex()}{",mp4a.40.2" if sound else ""}"'
        assert float(attributes["FRAME-RATE"]) == pytest.approx(rate, abs=0.02)
        # The densest whole segment and the average, by what the packets weigh; boxes add a little to that.
        densest = max(sum(size for time, size in packets if start <= time < start + 4) for start in (0, 4))
        assert 1.0 <= int(attributes["BANDWIDTH"]) / (8 * densest / 4) < 1.25
        average = 8 * sum(size for _, size in packets) / result.probe.duration
        assert 1.0 <= int(attributes["AVERAGE-BANDWIDTH"]) / average < 1.25
    assert [int(each["BANDWIDTH"]) for each in told] == sorted((int(each["BANDWIDTH"]) for each in told), reverse=True)


@pytest.mark.slow
def test_a_rung_made_alone_looks_like_the_one_made_with_others(tmp_path: Path) -> None:
    """Scaled from the source itself instead of from the rung above: not the same bits, but nobody can tell."""
    result = made(clip("a.mp4", size="640x360", video=X264)(tmp_path), tmp_path / "made", (360, 180, 144))
    alone = tmp_path / "alone"
    alone.mkdir()
    lowest = result.plan.rungs[-1]
    encode.encode(result.plan, result.probe, result.source, alone, [lowest], with_stills=False)
    inputs = ["-i", str(alone / f"{lowest.name}.mp4"), "-i", str(result.lowest)]
    told = ffmpeg(*inputs, "-lavfi", "libvmaf=n_threads=2", "-f", "null", "-")
    assert float(told.rsplit("VMAF score: ", 1)[1].split()[0]) > 93
