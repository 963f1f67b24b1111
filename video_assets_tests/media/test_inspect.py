"""Verification: what is wrong with a rung is found, and by the check that is named for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from video_assets.media import encode, inspect, ladder
from video_assets.media.ladder import Ladder
from video_assets.media.probe import Probe
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import read

COPY = ["-sn", "-c", "copy", "-f", "mp4", "-movflags", "+frag_keyframe+delay_moov+default_base_moof"]
Encoded = tuple[Path, Ladder, Probe]


@pytest.fixture(scope="module")
def encoded(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    folder = tmp_path_factory.mktemp("encoded")
    probe = read(clip)
    plan = ladder.plan(probe, (360, 144))
    encode.encode(plan, probe, clip, folder, plan.rungs, with_stills=False)
    return folder, plan, probe


def failed(
    encoded: Encoded, folder: Path, spoil: Callable[[Path], None], *, new_playlist: bool = False
) -> dict[str, str]:
    """Names and summaries of the checks that fail after `spoil` was let loose on a copy of the rungs."""
    original, plan, probe = encoded
    shutil.copytree(original, folder, dirs_exist_ok=True)
    spoil(folder)
    if new_playlist:
        encode.write_playlist(plan, plan.rung("144p"), folder)
    outcomes, _ = inspect.variants(folder, plan, probe)
    assert tuple(outcome.name for outcome in outcomes) == inspect.CHECKS
    advice = "; convert the file and upload it again"
    failed = [outcome for outcome in outcomes if not outcome.passed]
    assert all(outcome.summary.endswith(advice) for outcome in failed)
    return {outcome.name: outcome.summary.removesuffix(advice) for outcome in failed}


def remade(folder: Path, *args: str, codec: tuple[str, ...] = ()) -> None:
    """Replaces the lower rung by another making of it."""
    old, new = folder / "144p.mp4", folder / "new.mp4"
    ffmpeg(*args, "-i", str(old), *COPY, *codec, str(new))
    new.replace(old)


def test_a_good_ladder_passes(encoded: Encoded, tmp_path: Path) -> None:
    assert failed(encoded, tmp_path, lambda folder: None) == {}


def test_a_missing_rung_is_found(encoded: Encoded, tmp_path: Path) -> None:
    found = failed(encoded, tmp_path, lambda folder: (folder / "144p.mp4").unlink())
    assert found["every_segment_there"] == "144p: it is not there, or not whole"
    assert "decodes" in found


def test_a_rung_that_breaks_off_is_found(encoded: Encoded, tmp_path: Path) -> None:
    def cut(folder: Path) -> None:
        path = folder / "144p.mp4"
        path.write_bytes(path.read_bytes()[:-20_000])

    assert "every_segment_there" in failed(encoded, tmp_path, cut)


def test_a_playlist_that_points_elsewhere_is_found(encoded: Encoded, tmp_path: Path) -> None:
    def shift(folder: Path) -> None:
        path = folder / "144p.m3u8"
        first, rest = path.read_text().split("#EXT-X-BYTERANGE:", 1)
        size, tail = rest.split("@", 1)
        path.write_text(f"{first}#EXT-X-BYTERANGE:{int(size) - 1}@{tail}")

    assert failed(encoded, tmp_path, shift) == {"every_segment_there": "144p: segment 0 is not where the playlist says"}


def test_missing_sound_is_found(encoded: Encoded, tmp_path: Path) -> None:
    found = failed(encoded, tmp_path, lambda folder: remade(folder, codec=("-an",)), new_playlist=True)
    assert found == {"every_segment_there": "144p: its sound is missing"}


def test_missing_pictures_are_found(encoded: Encoded, tmp_path: Path) -> None:
    def thin(folder: Path) -> None:
        remade(folder, codec=("-c:v", "libx264", "-r", "10", "-force_key_frames", "4", "-g", "999"))

    found = failed(encoded, tmp_path, thin, new_playlist=True)
    assert found["every_segment_there"].startswith("144p: 8")


def test_a_damaged_picture_is_found(encoded: Encoded, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        path = folder / "144p.mp4"
        data = bytearray(path.read_bytes())
        start = data.index(b"mdat") + 4
        data[start : start + 30_000] = bytes(30_000)
        path.write_bytes(data)

    assert "decodes" in failed(encoded, tmp_path, damage)


def test_a_wrong_size_is_found(encoded: Encoded, tmp_path: Path) -> None:
    def shrink(folder: Path) -> None:
        remade(folder, codec=("-c:v", "libx264", "-s", "128x72", "-force_key_frames", "4", "-g", "999"))

    assert failed(encoded, tmp_path, shrink, new_playlist=True) == {
        "decodes": "144p: the picture is 128x72 instead of 256x144"
    }


def test_a_rung_that_is_too_short_is_found(encoded: Encoded, tmp_path: Path) -> None:
    found = failed(encoded, tmp_path, lambda folder: remade(folder, codec=("-t", "7")), new_playlist=True)
    assert found["duration_matches"].startswith("144p: it lasts 7.")


def test_sound_that_is_late_is_found(encoded: Encoded, tmp_path: Path) -> None:
    def delay(folder: Path) -> None:
        path, late = folder / "144p.mp4", folder / "new.mp4"
        inputs = ["-i", str(path), "-itsoffset", "0.1", "-i", str(path), "-map", "0:v", "-map", "1:a"]
        ffmpeg(*inputs, *COPY, str(late))
        late.replace(path)

    found = failed(encoded, tmp_path, delay, new_playlist=True)
    assert found == {"audio_video_drift": "144p: sound and picture are 100 ms apart"}


def test_key_frames_on_other_times_are_found(encoded: Encoded, tmp_path: Path) -> None:
    def rekey(folder: Path) -> None:
        remade(folder, codec=("-c:v", "libx264", "-force_key_frames", "3", "-g", "999", "-sc_threshold", "0"))

    found = failed(encoded, tmp_path, rekey, new_playlist=True)
    assert found == {"key_frames_aligned": "144p: its segments begin at other times than those of 360p"}
