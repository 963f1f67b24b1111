"""Probing: what is told of honest files, and how the others are refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_assets.errors import PermanentError
from video_assets.media import probe as probing
from video_assets.media.declared_size import promised_bytes
from video_assets.media.probe import Probe
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import audio_facts, probe_facts, read, video_facts

Making = Callable[..., Path]


def test_an_ordinary_file_is_told_as_it_is(clip: Path) -> None:
    probe = read(clip)
    assert probe.video is not None
    assert (probe.video.codec, probe.video.width, probe.video.height, probe.video.rotation) == ("h264", 640, 360, 0)
    assert (probe.video.frames, probe.video.key_frames) == (240, 4)
    assert probe.video.segment_starts == (0.0, 4.0)
    assert probe.video.longest_gop == pytest.approx(2.0)
    assert probe.video.closed_gops
    assert probe.video.clean
    assert probe.duration == pytest.approx(8.0, abs=0.05)
    assert [(track.codec, track.channels, track.rate) for track in probe.audio] == [("aac", 2, 48_000)]
    assert [(track.codec, track.language, track.is_text) for track in probe.subtitles] == [("mov_text", "eng", True)]
    assert probe.playable_progressively


def test_facts_survive_json(clip: Path) -> None:
    probe = read(clip)
    assert Probe.from_facts(json.loads(json.dumps(probe.to_facts()))) == probe


def test_rotation_turns_the_size_shown(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(clip), "-c", "copy", "-sn", str(turned))
    video = read(turned).video
    assert video is not None
    assert (video.rotation, video.width, video.height) == (90, 640, 360)
    assert (video.display_width, video.display_height, video.short_side) == (360, 640, 360)


def test_pixels_that_are_not_square_widen_the_size_shown(making: Making) -> None:
    video = read(making("a.mp4", seconds=1, size=(360, 288), video=["-vf", "setsar=16/11"])).video
    assert video is not None
    assert (video.display_width, video.display_height, video.square_pixels) == (524, 288, False)


def test_open_groups_of_pictures_are_seen(making: Making) -> None:
    options = ["-preset", "veryfast", "-bf", "3", "-x264-params", "open-gop=1:keyint=30:scenecut=0"]
    video = read(making("open.mkv", seconds=3, video=options)).video
    assert video is not None
    assert not video.closed_gops


def test_varying_frame_times_are_seen(making: Making) -> None:
    options = ["-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr"]
    video = read(making("vfr.mp4", seconds=3, video=options)).video
    assert video is not None
    assert video.variable_rate
    assert video.avg_fps < 20


def test_a_silent_file_and_a_heard_only_file_are_both_taken(making: Making, tmp_path: Path) -> None:
    silent = making("silent.mp4", seconds=1, audio=False)
    assert read(silent).audio == ()
    heard = tmp_path / "heard.m4a"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", str(heard))
    assert read(heard).video is None


def test_titles_are_clipped_to_one_printable_line(clip: Path, tmp_path: Path) -> None:
    titled = tmp_path / "titled.mp4"
    ffmpeg("-i", str(clip), "-c", "copy", "-metadata", "title=a\x07b\n" + "c" * 5000, str(titled))
    title = read(titled).title
    assert title.startswith("a b c")
    assert len(title) <= 300


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_half_an_upload_is_refused_with_the_second_where_it_ends(clip: Path, tmp_path: Path, share: float) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * share)])
    with pytest.raises(PermanentError, match=r"breaks off after \d s of 8 s; upload it again"):
        read(broken)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\0" * 5000, b"#EXTM3U\n#EXTINF:4,\n/etc/passwd\n#EXT-X-ENDLIST\n", b"<svg/>", b"PK\3\4" * 99],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(PermanentError) as refused:
        read(path)
    assert "upload" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_limits_are_enforced(clip: Path) -> None:
    limits: dict[str, Any] = {"max_streams": 64, "max_pixels": 10**8, "max_duration": 3600.0}
    for changed, words in (
        ({"max_streams": 2}, "tracks"),
        ({"max_pixels": 1000}, "640x360"),
        ({"max_duration": 5.0}, "longer"),
    ):
        with pytest.raises(PermanentError, match=words):
            probing.probe(clip, **{**limits, **changed})


@pytest.mark.parametrize(
    ("container", "codec", "heard", "playable"),
    [
        ("mov,mp4", "h264", "aac", True),
        ("mov,mp4", "hevc", "aac", False),
        ("mov,mp4", "h264", "ac3", False),
        ("matroska,webm", "vp9", "opus", True),
        ("matroska,webm", "h264", "aac", False),
        ("mpegts", "h264", "aac", False),
    ],
)
def test_what_browsers_play_as_it_is(container: str, codec: str, heard: str, playable: bool) -> None:
    probe = probe_facts(video_facts(codec=codec), audio_facts(codec=heard), container=container)
    assert probe.playable_progressively == playable


@pytest.mark.parametrize("ending", ["mkv", "webm", "avi"])
def test_half_an_upload_without_an_index_is_told_by_what_its_head_promises(
    making: Making, tmp_path: Path, ending: str
) -> None:
    codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-profile:v", "0"] if ending == "webm" else []
    whole = making(f"whole.{ending}", seconds=2, audio=False, size=(160, 90), video=codecs)
    data = whole.read_bytes()
    assert promised_bytes(io.BytesIO(data)) == len(data)
    half = tmp_path / f"half.{ending}"
    half.write_bytes(data[: len(data) // 2])
    with pytest.raises(PermanentError, match=f"breaks off: {len(data) // 2:,} bytes of {len(data):,}"):
        read(half)


SOUND_ENDINGS = {
    "mp3": ["-c:a", "libmp3lame", "-q:a", "5"],
    "flac": [],
    "wav": [],
    "opus": ["-b:a", "64k"],
    "ogg": [],
    "wma": [],
}


@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_half_a_recording_is_told_from_a_whole_one(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=sample_rate=48000:duration=9", *SOUND_ENDINGS[ending], str(whole))
    assert read(whole).duration == pytest.approx(9, abs=0.1)
    half = tmp_path / f"half.{ending}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(PermanentError, match="the file breaks off"):
        read(half)


def test_a_tag_before_an_mp3_does_not_hide_that_it_is_half(tmp_path: Path) -> None:
    plain, tagged = tmp_path / "plain.mp3", tmp_path / "tagged.mp3"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=duration=9", "-id3v2_version", "0", str(plain))
    data = plain.read_bytes()
    tag = b"ID3\4\0\0" + bytes([0, 0, 0x7F, 0x7F]) + bytes(0x3FFF)
    for share in (1, 2):
        tagged.write_bytes(tag + data[: len(data) // share])
        if share == 1:
            assert read(tagged).duration == pytest.approx(9, abs=0.1)
        else:
            with pytest.raises(PermanentError, match="the file breaks off"):
                read(tagged)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x1a\x45\xdf\xa3",
        b"RIFF\xff\xff\xff\xffWAVE",
        b"\x1a\x45\xdf\xa3\x00" * 9,
        b"OggS",
        b"OggS" + bytes(22),
        b"ID3",
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        b"\xff\xfbXing",
        b"\xff\xfbXing\0\0\0\1" + bytes(9),
        bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365") + bytes(9),
    ],
)
def test_a_head_that_promises_nothing_is_left_alone(head: bytes) -> None:
    assert not promised_bytes(io.BytesIO(head))
