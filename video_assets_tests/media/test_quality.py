"""VMAF of a rung against its source: high for what was made, low for what was spoilt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.media import encode, ladder, quality
from video_assets_tests.media.clips import ffmpeg, make_clip
from video_assets_tests.media.conftest import probe_facts, read, video_facts

TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")


def test_a_rung_scores_high_and_a_spoilt_or_shifted_one_low(tmp_path: Path) -> None:
    folder = tmp_path / "a: [folder], it's"
    folder.mkdir()
    source = make_clip(folder / "source.mp4", seconds=6, size=(640, 360))
    probe = read(source)
    plan = ladder.plan(probe, (240,))
    rung = plan.rung("240p")
    encode.encode(plan, probe, source, folder, [rung], with_stills=False)
    good, spoilt, shifted = (folder / f"{name}.mp4" for name in ("240p", "spoilt", "shifted"))
    again = ["-c:v", "libx264", "-crf", "20", "-an"]
    ffmpeg("-i", str(good), "-vf", "gblur=sigma=4", *again, str(spoilt))
    ffmpeg("-ss", "0.4", "-i", str(good), *again, str(shifted))
    for at in quality.moments([0.0, 4.0], 30):
        scores = {path.stem: quality.vmaf(source, probe, path, rung, folder, at=at) for path in (good, spoilt, shifted)}
        assert scores["240p"] > 75, scores
        assert scores["spoilt"] < 45, scores
        assert scores["shifted"] < 60, scores


@pytest.mark.parametrize("tags", [(), TAGS], ids=["source says nothing", "source says BT.709"])
def test_what_a_source_says_of_its_colours_does_not_change_its_score(tags: tuple[str, ...], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mp4", seconds=1, size=(1280, 720), audio=False, video=tags)
    probe = read(source)
    assert probe.video is not None
    plan = ladder.plan(replace(probe, video=replace(probe.video, clean=False)), (720,))
    encode.encode(plan, probe, source, tmp_path, plan.rungs, with_stills=False)
    assert quality.vmaf(source, probe, tmp_path / "720p.mp4", plan.rungs[0], tmp_path, at=0.0) > 97


def test_what_is_no_plain_encoding_is_not_compared() -> None:
    encoded = ladder.plan(probe_facts(video_facts(clean=False)), (480, 240))
    assert quality.comparable(encoded, probe_facts(video_facts(clean=False)), encoded.rungs[0])
    for changes in ({"color_transfer": "smpte2084"}, {"interlaced": True}, {"fps": 120.0}, {"start": 2.0}):
        probe = probe_facts(video_facts(clean=False, **changes))
        plan = ladder.plan(probe, (480, 240))
        assert not quality.comparable(plan, probe, plan.rungs[0]), changes
    copied = ladder.plan(probe_facts(video_facts()), (720,))
    assert not quality.comparable(copied, probe_facts(video_facts()), copied.rungs[0])


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=50, unique=True).map(sorted), st.floats(0.1, 60))
def test_moments_lie_just_before_a_segment(starts: list[float], fps: float) -> None:
    for at in quality.moments(starts, fps):
        assert at >= 0
        assert min(abs(at - start) for start in starts) <= 0.5
