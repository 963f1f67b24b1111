"""Poster and storyboard."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from video_assets.errors import PermanentError
from video_assets.media import encode, ladder, stills
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import probe_facts, read, video_facts


def luma(path: Path) -> float:
    """Mean brightness, 0 to 255."""
    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


def size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return frame.width, frame.height


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills of a video that is black for its first six of ten seconds."""
    folder = tmp_path_factory.mktemp("stills")
    source = folder / "source.mp4"
    black, light = "color=black:size=320x180:duration=6", "testsrc2=size=320x180:duration=4:rate=25"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        black,
        "-f",
        "lavfi",
        "-i",
        light,
        "-filter_complex",
        "[0][1]concat",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "50",
        str(source),
    )
    probe = read(source)
    encode.encode(ladder.plan(probe, (144,)), probe, source, folder, [])
    stills.finish(folder, probe)
    return folder


def test_the_poster_is_not_black(made: Path) -> None:
    assert luma(made / "poster.jpg") > 60
    assert size(made / "poster.jpg") == (320, 180)


def test_the_poster_has_the_colours_of_a_high_definition_picture(tmp_path: Path) -> None:
    """Read as any JPEG is: with the matrix and the range of JPEG, whatever the video's were."""
    source = tmp_path / "red.mp4"
    tags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "color=0xe02010:size=1280x720:duration=1:rate=10",
        "-vf",
        "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
        "-c:v",
        "libx264",
        *tags,
        str(source),
    )
    probe = read(source)
    encode.encode(ladder.plan(probe, (144,)), probe, source, tmp_path, [])
    stills.finish(tmp_path, probe)
    for name in ("poster.jpg", "storyboard.jpg"):
        with Image.open(tmp_path / name) as picture:
            found = picture.convert("RGB").getpixel((40, 40))
        assert max(abs(is_ - wanted) for is_, wanted in zip(found, (0xE0, 0x20, 0x10), strict=True)) <= 10, found


def test_only_the_finished_stills_are_left(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == {"source.mp4", *stills.FILES}


def test_every_cue_lies_inside_the_sprite_and_they_cover_the_video(made: Path) -> None:
    width, height = size(made / "storyboard.jpg")
    cues = (made / "storyboard.vtt").read_text().split("\n\n")[1:]
    assert len(cues) == 10
    for cue in cues:
        x, y, w, h = (int(part) for part in cue.split("#xywh=")[1].split(","))
        assert x + w <= width
        assert y + h <= height
    assert cues[0].startswith("00:00:00.000 --> 00:00:01.000")
    assert cues[-1].startswith("00:00:09.000 --> 00:00:10.000")


def test_tiles_show_their_own_moments(made: Path) -> None:
    with av.open(str(made / "storyboard.jpg")) as container:
        sprite = next(container.decode(video=0)).to_ndarray(format="gray")
    assert sprite[:, : 5 * 160].mean() < 20
    assert sprite[:, 7 * 160 :].mean() > 60


@given(st.floats(0.01, 50_000))
def test_the_grid_has_at_most_a_hundred_tiles_for_any_length(duration: float) -> None:
    grid = stills.grid(probe_facts(video_facts(), duration=duration))
    assert 1 <= grid.count <= 100
    assert grid.columns * grid.rows >= grid.count
    assert grid.width % 2 == grid.height % 2 == 0
    assert grid.interval >= 1
    assert abs(grid.count * grid.interval - duration) <= grid.interval, "the tiles do not cover the video"


def test_the_last_tile_stands_to_the_end_of_the_video() -> None:
    probe = probe_facts(video_facts(), duration=10.4)
    last = stills.cues(stills.grid(probe), probe.duration).split("\n\n")[-1]
    assert last.startswith("00:00:09.000 --> 00:00:10.400")


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
def test_the_chosen_candidate_is_never_a_blank_one(sizes: list[int]) -> None:
    assert sizes[stills.choose(sizes)] >= 0.25 * max(sizes)


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([10, 12, 100, 110, 120], 3),  # black at first: typical of those that show something
        ([110, 110, 110], 0),  # early rather than late
        ([250, 260, 270, 280, 900], 2),  # not the one with most in it, only because of that
        ([100, 100, 10, 12, 11], 0),  # though most show nothing
    ],
)
def test_the_poster_is_typical_and_early(sizes: list[int], chosen: int) -> None:
    assert stills.choose(sizes) == chosen


def test_no_picture_at_all_is_an_error_to_read(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no picture"):
        stills.finish(tmp_path, probe_facts(video_facts()))


def test_clock() -> None:
    assert stills.clock(3723.0455) == "01:02:03.046"
    assert stills.clock(59.9999) == "00:01:00.000"
