"""The whole ladder of real clips, measured with FFmpeg and PyAV and not with the code under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import pytest

from video_assets.errors import PermanentError
from video_assets.media import encode, hls, inspect, ladder, stills
from video_assets.media.ladder import Ladder
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Progress
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import read, video_facts

Making = Callable[..., Path]
HEIGHTS = (360, 240, 144)


@dataclass(frozen=True)
class Made:
    """A clip and what was made of it."""

    source: Path
    probe: Probe
    plan: Ladder
    folder: Path
    progress: tuple[Progress, ...]


def make(source: Path, folder: Path, heights: tuple[int, ...] = HEIGHTS) -> Made:
    probe = read(source)
    plan = ladder.plan(probe, heights)
    seen: list[Progress] = []
    encode.encode(plan, probe, source, folder, plan.rungs, on_progress=seen.append)
    stills.finish(folder, probe)
    return Made(source, probe, plan, folder, tuple(seen))


@pytest.fixture(scope="module")
def copied(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(clip, tmp_path_factory.mktemp("copied"))


def frames(path: Path) -> list[tuple[float, bool]]:
    """Time and whether it is a key frame, of every decoded picture."""
    with av.open(str(path)) as container:
        return [(float(frame.time or 0.0), bool(frame.key_frame)) for frame in container.decode(video=0)]


def failures(made: Made) -> list[str]:
    outcomes, _ = inspect.variants(made.folder, made.plan, made.probe)
    return [f"{outcome.name}: {outcome.summary}" for outcome in outcomes if not outcome.passed]


def test_a_compatible_source_is_copied_and_the_other_rungs_are_encoded(copied: Made) -> None:
    assert [(rung.name, rung.copy) for rung in copied.plan.rungs] == [("360p", True), ("240p", False), ("144p", False)]
    names = {path.name for path in copied.folder.iterdir()}
    assert names == {
        "360p.mp4",
        "360p.m3u8",
        "240p.mp4",
        "240p.m3u8",
        "144p.mp4",
        "144p.m3u8",
        "poster.jpg",
        "storyboard.jpg",
        "storyboard.vtt",
    }


def test_every_rung_decodes_from_the_first_frame_to_the_last(copied: Made) -> None:
    for rung in copied.plan.rungs:
        ffmpeg("-v", "error", "-xerror", "-i", str(copied.folder / f"{rung.name}.mp4"), "-f", "null", "-")
        seen = frames(copied.folder / f"{rung.name}.mp4")
        assert len(seen) == 240
        assert seen[0][0] == pytest.approx(0.0, abs=0.001)


def test_every_rung_decodes_as_hls(copied: Made) -> None:
    for rung in copied.plan.rungs:
        with av.open(str(copied.folder / f"{rung.name}.m3u8"), options={"allowed_extensions": "ALL"}) as container:
            assert sum(1 for _ in container.decode(video=0)) == 240


def test_segments_begin_with_key_frames_on_the_same_times(copied: Made) -> None:
    for rung in copied.plan.rungs:
        keys = {round(time, 2) for time, key in frames(copied.folder / f"{rung.name}.mp4") if key}
        playlist = hls.read((copied.folder / f"{rung.name}.m3u8").read_text())
        assert [round(segment.duration, 2) for segment in playlist.segments] == [4.0, 4.0]
        assert keys >= {0.0, 4.0}


def test_verification_finds_nothing_wrong(copied: Made) -> None:
    assert failures(copied) == []


def test_the_table_of_rungs_tells_what_the_master_playlist_needs(copied: Made) -> None:
    _, rows = inspect.variants(copied.folder, copied.plan, copied.probe)
    assert [(row["name"], row["width"], row["height"], row["copied"]) for row in rows] == [
        ("360p", 640, 360, True),
        ("240p", 426, 240, False),
        ("144p", 256, 144, False),
    ]
    for row in rows:
        assert row["codecs"].startswith("avc1.")
        assert row["codecs"].endswith(",mp4a.40.2")
        assert row["bytes"] == (copied.folder / f"{row['name']}.mp4").stat().st_size
        assert row["bandwidth"] >= row["average_bandwidth"] > 0
        assert row["duration"] == pytest.approx(8.0, abs=0.1)


def test_progress_reaches_the_end(copied: Made) -> None:
    assert copied.progress[-1].fraction == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("heard_only", [False, True])
def test_progress_is_told_from_the_start(making: Making, tmp_path: Path, heard_only: bool) -> None:
    """Also beside stills that are there only when all is over."""
    source = making("long.mp4", seconds=60, size=(640, 360), fps=15)
    if heard_only:
        sound = tmp_path / "sound.mp3"
        ffmpeg("-i", str(source), "-vn", "-c:a", "libmp3lame", str(sound))
        source = sound
    folder = tmp_path / "made"
    folder.mkdir()
    told = make(source, folder, (270, 144)).progress
    assert len(told) >= 2
    assert told[0].fraction is not None
    assert told[0].fraction < 0.6


def test_the_same_source_gives_the_same_bytes(copied: Made, tmp_path: Path) -> None:
    make(copied.source, tmp_path)
    for path in copied.folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_rung_can_be_made_alone(copied: Made, tmp_path: Path) -> None:
    rung = copied.plan.rung("144p")
    encode.encode(copied.plan, copied.probe, copied.source, tmp_path, [rung], with_stills=False)
    assert {path.name for path in tmp_path.iterdir()} == {"144p.mp4", "144p.m3u8"}
    names = {path.name: path for path in copied.folder.iterdir() if path.name.startswith(("360p", "240p"))}
    outcomes, rows = inspect.variants(tmp_path, copied.plan, copied.probe, names)
    assert all(outcome.passed for outcome in outcomes)
    assert [row["name"] for row in rows] == ["360p", "240p", "144p"]


def test_only_key_frames_are_decoded_where_nothing_is_encoded(copied: Made, tmp_path: Path) -> None:
    top = copied.plan.rungs[:1]
    args = encode.command(copied.plan, copied.probe, copied.source, tmp_path, top, with_stills=True)
    assert "-skip_frame" in args
    assert "libx264" not in args
    encode.encode(copied.plan, copied.probe, copied.source, tmp_path, top)
    assert (tmp_path / "storyboard.jpg").exists()


def test_a_folder_name_is_data(copied: Made, tmp_path: Path) -> None:
    folder = tmp_path / "a%05d 'b\"; [c],$(d)"
    folder.mkdir()
    made = make(copied.source, folder)
    assert failures(made) == []
    assert (folder / "poster.jpg").exists()


def test_segments_go_on_regularly_behind_a_gap(tmp_path: Path) -> None:
    source, folder = tmp_path / "gap.mkv", tmp_path / "made"
    folder.mkdir()
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=160x90:rate=30:duration=8",
        "-vf",
        "setpts='PTS+gt(N,60)*600/TB'",
        "-fps_mode",
        "passthrough",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-bf",
        "0",
        str(source),
    )
    make(source, folder, (90,))
    playlist = hls.read((folder / "90p.m3u8").read_text())
    assert [round(segment.duration) for segment in playlist.segments] == [602, 4, 2]


VARIANTS = {
    "long groups": ("a.mp4", {"seconds": 10, "gop_seconds": 20, "size": (320, 180)}),
    "irregular key frames": (
        "a.mp4",
        {"seconds": 12, "size": (320, 180), "gop_seconds": 30, "video": ["-force_key_frames", "1.3,3.7,9"]},
    ),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_key_frames_that_lie_badly_for_segments_are_no_hindrance(making: Making, tmp_path: Path, kind: str) -> None:
    name, options = VARIANTS[kind]
    made = make(making(name, **{"seconds": 2, "size": (320, 180), **options}), tmp_path)
    assert failures(made) == []
    for rung in made.plan.rungs:
        ffmpeg("-v", "error", "-xerror", "-i", str(tmp_path / f"{rung.name}.mp4"), "-f", "null", "-")


def test_a_picture_that_begins_late_is_held_from_the_start(clip: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    inputs = ["-itsoffset", "1.5", "-i", str(clip), "-i", str(clip)]
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", str(late))
    folder = tmp_path / "made"
    folder.mkdir()
    made = make(late, folder)
    assert made.plan.pad_start == pytest.approx(1.5, abs=0.1)
    assert failures(made) == []
    assert frames(folder / "240p.mp4")[0][0] == pytest.approx(0.0, abs=0.001)


def test_a_file_damaged_in_the_middle_is_refused(clip: Path, tmp_path: Path) -> None:
    probe = read(clip)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    plan = ladder.plan(probe, HEIGHTS)
    with pytest.raises(PermanentError, match="upload it again"):
        encode.encode(plan, probe, damaged, tmp_path, plan.rungs)


def test_key_frames_are_forced_where_the_copied_source_has_them() -> None:
    plan = ladder.plan(replace(_probe(), video=video_facts(segment_starts=(0.0, 4.5, 9.0))), HEIGHTS)
    assert encode.key_frames(replace(plan, key_times=(0.0, 4.5))) == "0.000000,4.498000"
    assert encode.key_frames(replace(plan, key_times=None)).startswith("expr:")


def _probe() -> Probe:
    return Probe("mov,mp4", 10.0, 1, 1, video_facts(), (), (), (), "")
