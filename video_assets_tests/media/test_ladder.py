"""The ladder: what holds for every source, and what is decided for particular ones."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.media.ladder import Colours, Ladder, plan, size_for
from video_assets.media.probe import Probe
from video_assets_tests.media.conftest import audio_facts, probe_facts, video_facts

HEIGHTS = (2160, 1440, 1080, 720, 480, 360, 240)


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    width, height = draw(st.integers(2, 8192)), draw(st.integers(2, 8192))
    rotated = draw(st.booleans())
    video = video_facts(
        width=width,
        height=height,
        rotation=90 if rotated else 0,
        display_width=height if rotated else width,
        display_height=width if rotated else height,
        fps=draw(st.floats(1, 240)),
        closed_gops=draw(st.booleans()),
        bit_rate=draw(st.integers(1_000, 50_000_000)),
        peak_bit_rate=draw(st.integers(1_000, 50_000_000)),
        pix_fmt=draw(st.sampled_from(["yuv420p", "yuv444p"])),
        interlaced=draw(st.booleans()),
        start=draw(st.sampled_from([0.0, 2.0])),
    )
    return probe_facts(video, *([audio_facts()] if draw(st.booleans()) else []))


heights = st.lists(st.integers(16, 4320), min_size=1, max_size=8)


@given(probes(), heights)
def test_rungs_fall_in_size_and_in_bit_rate(probe: Probe, heights: list[int]) -> None:
    for upper, lower in itertools.pairwise(plan(probe, heights).rungs):
        assert lower.height < upper.height or lower.width < upper.width
        assert lower.height <= upper.height
        assert lower.width <= upper.width
        assert lower.maxrate <= upper.maxrate


@given(probes(), heights)
def test_sizes_are_even_and_never_larger_than_the_source(probe: Probe, heights: list[int]) -> None:
    assert probe.video is not None
    rungs = plan(probe, heights).rungs
    assert rungs
    for rung in rungs:
        assert rung.width % 2 == rung.height % 2 == 0
        assert 2 <= rung.width <= max(2, probe.video.display_width)
        assert 2 <= rung.height <= max(2, probe.video.display_height)


@given(st.integers(2, 8192), st.integers(2, 8192), st.integers(2, 4320))
def test_the_aspect_is_kept_within_a_pixel(width: int, height: int, short_side: int) -> None:
    new_width, new_height = size_for(width, height, short_side)
    (new_short, new_long), (short, long) = sorted((new_width, new_height)), sorted((width, height))
    assert (new_width >= new_height) == (width >= height) or new_width == new_height
    wanted = new_short * long / short
    # Even numbers are two pixels apart, and an odd long side can only be gone below.
    assert abs(new_long - wanted) <= (1 if new_long < long // 2 * 2 else 2 * long / short + 1)


@given(probes(), heights)
def test_only_the_top_rung_is_ever_copied_and_the_reason_is_told_otherwise(probe: Probe, heights: list[int]) -> None:
    ladder = plan(probe, heights)
    assert not any(rung.copy for rung in ladder.rungs[1:])
    assert ladder.rungs[0].copy == (ladder.encoded_because == "")
    assert (ladder.key_times is None) == (not ladder.rungs[0].copy)


@given(probes(), heights, st.integers(16, 4320))
def test_a_rung_s_own_fingerprint_does_not_depend_on_a_lower_one(probe: Probe, heights: list[int], more: int) -> None:
    before, after = plan(probe, heights), plan(probe, [*heights, min([more, *heights])])
    kept = {rung.name for rung in before.rungs} & {rung.name for rung in after.rungs}
    for name in kept - {after.rungs[-1].name}:
        assert before.part(before.rung(name), "s") == after.part(after.rung(name), "s")


def test_names_follow_the_configured_heights_up_to_the_source() -> None:
    encoded = probe_facts(video_facts(width=1920, height=1080, display_width=1920, display_height=1080, clean=False))
    assert [rung.name for rung in plan(encoded, HEIGHTS).rungs] == ["1080p", "720p", "480p", "360p", "240p"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"profile": "Main"}, ""),
        ({"codec": "hevc"}, "hevc"),
        ({"pix_fmt": "yuv422p"}, "pixel format yuv422p"),
        ({"interlaced": True}, "interlaced"),
        ({"rotation": 90}, "rotated by 90 degrees"),
        ({"sample_aspect": "16/11"}, "pixels of 16/11"),
        ({"clean": False}, "not in order"),
        ({"closed_gops": False}, "open groups"),
        ({"longest_gop": 8.5}, "8.5 s apart"),
        ({"fps": 120.0}, "120 frames"),
        ({"bit_rate": 20_000_000}, "20.0 Mbit/s"),
        ({"start": 1.5}, "1.5 s late"),
        ({"mirrored": True}, "mirrored"),
        ({"color_transfer": "smpte2084"}, "high dynamic range"),
        ({"width": 1279, "display_width": 1279}, "odd size"),
        ({"height": 719, "display_height": 719}, "odd size"),
        ({"bit_depth": 10}, "pixel format"),
    ],
)
def test_a_compatible_picture_is_copied_and_any_other_says_why_not(changes: dict[str, object], reason: str) -> None:
    because = plan(probe_facts(video_facts(**changes)), HEIGHTS).encoded_because
    assert (reason in because) if reason else (because == "")


def test_the_whole_file_can_be_the_reason_not_to_copy() -> None:
    assert plan(probe_facts(video_facts(), container="mpegts"), HEIGHTS).encoded_because == "container mpegts"
    longer = plan(probe_facts(video_facts(), audio_facts(end=15.0)), HEIGHTS)
    assert longer.encoded_because == "the sound goes on for 5.0 s after the picture"
    assert longer.pad_end == 5.0
    assert plan(probe_facts(video_facts(), audio_facts(end=10.4)), HEIGHTS).encoded_because == ""


@pytest.mark.parametrize(
    ("changes", "deinterlaced", "tone_mapped", "fewer", "held"),
    [
        ({}, False, False, False, 0.0),
        ({"interlaced": True}, True, False, False, 0.0),
        ({"color_transfer": "smpte2084"}, False, True, False, 0.0),
        ({"color_transfer": "arib-std-b67"}, False, True, False, 0.0),
        ({"fps": 120.0}, False, False, True, 0.0),
        ({"fps": 60.0}, False, False, False, 0.0),
        ({"start": 1.5}, False, False, False, 1.5),
        ({"start": 0.03}, False, False, False, 0.0),
    ],
)
def test_what_has_to_be_done_to_the_picture(
    changes: dict[str, object], deinterlaced: bool, tone_mapped: bool, fewer: bool, held: float
) -> None:
    ladder = plan(probe_facts(video_facts(**changes)), HEIGHTS)
    assert (ladder.deinterlace, ladder.tone_map, ladder.change_fps) == (deinterlaced, tone_mapped, fewer)
    assert (ladder.pad_start, ladder.pad_end) == (held, 0.0)


SD = {"width": 640, "height": 480, "display_width": 640, "display_height": 480}


@pytest.mark.parametrize(
    ("changes", "colours"),
    [
        ({}, ("bt709", "bt709", "bt709")),
        (SD, ("smpte170m", "smpte170m", "smpte170m")),
        ({**SD, "color_space": "bt470bg"}, ("smpte170m", "smpte170m", "bt470bg")),
        ({"color_primaries": "bt2020", "color_space": "bt2020nc"}, ("bt2020", "bt709", "bt2020nc")),
        ({**SD, "color_space": "gbr"}, ("bt709", "bt709", "bt709")),
        ({"color_primaries": "bt2020", "color_transfer": "smpte2084"}, ("bt709", "bt709", "bt709")),
    ],
)
def test_the_rungs_say_the_source_s_colours_or_those_of_its_size(
    changes: dict[str, object], colours: tuple[str, str, str]
) -> None:
    assert dataclasses.astuple(plan(probe_facts(video_facts(**changes)), HEIGHTS).colours) == colours


def large(**changes: object) -> Probe:
    """1080p that has to be encoded, with bits to spare."""
    size = {"width": 1920, "height": 1080, "display_width": 1920, "display_height": 1080}
    return probe_facts(video_facts(**{**size, "clean": False, "peak_bit_rate": 50_000_000, **changes}))


def test_quality_falls_a_little_with_the_size() -> None:
    assert [rung.crf for rung in plan(large(), HEIGHTS).rungs] == [22, 22, 23, 23, 24]


@given(probes(), heights)
def test_a_player_s_buffer_holds_two_seconds_at_the_cap(probe: Probe, heights: list[int]) -> None:
    assert all(rung.bufsize == 2 * rung.maxrate for rung in plan(probe, heights).rungs)


def test_the_cap_is_that_of_the_size_and_grows_with_motion_but_more_slowly() -> None:
    slow, fast = (plan(large(fps=fps), HEIGHTS).rungs[0].maxrate for fps in (30.0, 60.0))
    assert slow == 5_000_000
    assert fast == pytest.approx(slow * 2**0.5, rel=0.001)


def test_no_rung_gets_much_more_than_the_source_has() -> None:
    encoded = plan(large(peak_bit_rate=1_000_000), HEIGHTS).rungs
    assert encoded[0].maxrate == 2_000_000
    copied = plan(probe_facts(video_facts(peak_bit_rate=1_000_000)), HEIGHTS).rungs
    assert copied[0].copy
    assert copied[0].maxrate == 1_000_000
    assert 400_000 < copied[1].maxrate < 600_000, "beside a copy, area for area what the source spent"


def test_a_source_larger_than_the_highest_rung_is_not_copied() -> None:
    ladder = plan(probe_facts(video_facts()), (480, 240))
    assert [(rung.name, rung.copy) for rung in ladder.rungs] == [("480p", False), ("240p", False)]


def test_a_copied_source_between_two_rungs_is_the_top_rung_itself() -> None:
    video = video_facts(width=960, height=540, display_width=960, display_height=540)
    ladder = plan(probe_facts(video), HEIGHTS)
    assert [(rung.name, rung.copy) for rung in ladder.rungs] == [
        ("540p", True),
        ("480p", False),
        ("360p", False),
        ("240p", False),
    ]


def test_a_rung_hardly_smaller_than_the_copied_one_is_left_out() -> None:
    video = video_facts(width=1296, height=728, display_width=1296, display_height=728)
    assert [rung.name for rung in plan(probe_facts(video), HEIGHTS).rungs] == ["728p", "480p", "360p", "240p"]


def test_a_tiny_source_gets_one_rung_of_its_own_even_size() -> None:
    video = video_facts(width=101, height=77, display_width=101, display_height=77, clean=False)
    (rung,) = plan(probe_facts(video), HEIGHTS).rungs
    assert (rung.name, rung.width, rung.height) == ("76p", 100, 76)


def test_a_tiny_source_that_is_copied_is_all_that_there_is() -> None:
    video = video_facts(width=160, height=90, display_width=160, display_height=90, bit_rate=50_000)
    assert [(rung.name, rung.copy) for rung in plan(probe_facts(video), HEIGHTS).rungs] == [("90p", True)]


def test_heights_that_come_to_the_same_even_size_make_one_rung() -> None:
    ladder = plan(probe_facts(video_facts(clean=False)), (481, 480, 241))
    assert [rung.name for rung in ladder.rungs] == ["480p", "240p"]


def test_a_portrait_video_is_named_by_its_short_side() -> None:
    video = video_facts(width=720, height=1280, display_width=720, display_height=1280)
    rungs = plan(probe_facts(video), HEIGHTS).rungs
    assert [(rung.name, rung.width, rung.height) for rung in rungs[:2]] == [("720p", 720, 1280), ("480p", 480, 854)]


@pytest.mark.parametrize(
    ("changes", "fps"),
    [
        ({"fps": 60.0}, 60.0),
        ({"fps": 120.0}, 60.0),
        ({"fps": 239.0}, 59.75),
        ({"fps": 240.0}, 60.0),
        ({"fps": 120.0, "avg_fps": 24.0, "variable_rate": True}, 24.0),
        ({"fps": 30.0, "avg_fps": 29.0}, 30.0),
    ],
)
def test_high_frame_rates_are_halved_until_a_screen_shows_them(changes: dict[str, object], fps: float) -> None:
    assert {rung.fps for rung in plan(probe_facts(video_facts(**changes)), HEIGHTS).rungs} == {fps}


@pytest.mark.parametrize(
    ("changes", "copied", "channels"),
    [
        ({}, True, 2),
        ({"channels": 1}, True, 1),
        ({"codec": "mp3"}, False, 2),
        ({"profile": "HE-AAC"}, False, 2),
        ({"channels": 6}, False, 2),
        ({"channels": 1, "codec": "opus"}, False, 1),
        ({"rate": 96_000}, False, 2),
        ({"start": 0.5}, False, 2),
        ({"rate": 16_000}, False, 2),
        ({"bit_rate": 320_000}, False, 2),
        ({"clean": False}, False, 2),
    ],
)
def test_sound_is_copied_where_browsers_play_it(changes: dict[str, object], copied: bool, channels: int) -> None:
    sound = plan(probe_facts(video_facts(), audio_facts(**changes)), HEIGHTS).audio
    assert sound is not None
    assert (sound.copy, sound.channels) == (copied, channels)


@pytest.mark.parametrize(
    ("changes", "bit_rate", "rate"),
    [
        ({"codec": "mp3"}, 128_000, 48_000),
        ({"codec": "mp3", "channels": 1}, 64_000, 48_000),
        ({"codec": "mp3", "rate": 44_100}, 128_000, 44_100),
        ({"codec": "ac3", "channels": 6, "rate": 96_000}, 128_000, 48_000),
    ],
)
def test_sound_is_encoded_at_64_kbit_a_channel(changes: dict[str, object], bit_rate: int, rate: int) -> None:
    sound = plan(probe_facts(video_facts(), audio_facts(**changes)), HEIGHTS).audio
    assert sound is not None
    assert (sound.bit_rate, sound.rate) == (bit_rate, rate)


def test_the_default_sound_track_is_taken() -> None:
    probe = probe_facts(video_facts(), audio_facts(default=False), audio_facts(index=2, language="deu"))
    sound = plan(probe, HEIGHTS).audio
    assert sound is not None
    assert sound.index == 2


def test_something_only_heard_gets_one_rung_of_sound() -> None:
    ladder = plan(probe_facts(None, audio_facts()), HEIGHTS)
    assert [(rung.name, rung.width, rung.copy) for rung in ladder.rungs] == [("audio", 0, True)]


def test_silent_video_has_no_sound_in_its_plan() -> None:
    assert plan(probe_facts(video_facts()), HEIGHTS).audio is None


def test_a_rung_s_fingerprint_tells_sources_sizes_and_key_times_apart() -> None:
    ladder = plan(probe_facts(video_facts()), HEIGHTS)
    rung = ladder.rungs[1]
    regular = dataclasses.replace(ladder, key_times=None)
    parts = {
        ladder.part(rung, "a"),
        ladder.part(rung, "b"),
        ladder.part(ladder.rungs[2], "a"),
        regular.part(rung, "a"),
    }
    assert len(parts) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"pad_start": 1.0},
        {"pad_end": 1.0},
        {"deinterlace": True},
        {"tone_map": True},
        {"segment_seconds": 6.0},
        {"colours": Colours("bt2020", "bt709", "bt2020nc")},
        {"audio": None},
    ],
)
def test_whatever_changes_its_bytes_changes_a_rung_s_fingerprint(changes: dict[str, Any]) -> None:
    ladder = plan(probe_facts(video_facts(), audio_facts()), HEIGHTS)
    rung = ladder.rungs[1]
    assert dataclasses.replace(ladder, **changes).part(rung, "s") != ladder.part(rung, "s")
    assert dataclasses.replace(ladder, **changes).to_params() != ladder.to_params()
    assert ladder.part(dataclasses.replace(rung, crf=rung.crf + 1), "s") != ladder.part(rung, "s")


def test_the_parameters_are_plain_json() -> None:
    ladder: Ladder = plan(probe_facts(video_facts(), audio_facts()), HEIGHTS)
    assert ladder.to_params()["rungs"][0]["name"] == "720p"
    assert ladder.part(ladder.rungs[0], "a") == ladder.part(ladder.rungs[0], "a")
