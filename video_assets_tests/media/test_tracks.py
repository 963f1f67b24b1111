"""The text track, the sound for recognition, and the check of an upload."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from video_assets.media import audio, source, subtitles
from video_assets.media.probe import Subtitle
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import audio_facts, probe_facts, read, video_facts

Making = Callable[..., Path]

LIMITS = {"max_bytes": 1e9, "max_duration": 3600.0}


def track(index: int, language: str = "", *, default: bool = False, is_text: bool = True) -> Subtitle:
    return Subtitle(index, "mov_text" if is_text else "dvd_subtitle", language, default, is_text)


@pytest.mark.parametrize(
    ("tracks", "best"),
    [
        ((), None),
        ((track(2, is_text=False, default=True),), None),
        ((track(2), track(3)), 2),
        ((track(2), track(3, default=True)), 3),
        ((track(2, "deu"), track(3, "eng")), 3),
        ((track(2, is_text=False, default=True), track(3)), 3),
    ],
)
def test_the_track_to_read_is_the_default_one_or_that_of_the_language_spoken(
    tracks: tuple[Subtitle, ...], best: int | None
) -> None:
    probe = probe_facts(video_facts(), audio_facts(language="eng"), subtitles=tracks)
    chosen = subtitles.best_text_track(probe)
    assert (chosen.index if chosen else None) == best
    assert subtitles.has_text_track(probe) == (best is not None)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_embedded_captions_come_out_as_webvtt_with_their_times(making: Making, tmp_path: Path, name: str) -> None:
    captions = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nGrüße <b>am</b> Hafen.\n"
    clip = making(name, seconds=3, captions=captions)
    path = subtitles.extract_text_track(clip, read(clip), tmp_path)
    assert path is not None
    text = path.read_text(encoding="utf-8")
    assert text.startswith("WEBVTT")
    assert "00:00.500 --> 00:02.000" in text
    assert "Hafen" in text


def test_without_a_text_track_there_is_nothing(making: Making, tmp_path: Path) -> None:
    clip = making("none.mp4", seconds=1)
    assert subtitles.extract_text_track(clip, read(clip), tmp_path) is None


def test_sound_for_recognition_is_mono_at_16_khz_and_as_long_as_the_video(clip: Path, tmp_path: Path) -> None:
    path = audio.extract_speech_audio(clip, read(clip), tmp_path)
    assert path is not None
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (1, 16_000, 2)
        assert sound.getnframes() / 16_000 == pytest.approx(8.0, abs=0.05)


def test_sound_that_begins_late_keeps_its_place(clip: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    inputs = ["-i", str(clip), "-itsoffset", "2", "-i", str(clip), "-map", "0:v", "-map", "1:a"]
    ffmpeg(*inputs, "-c", "copy", str(late))
    path = audio.extract_speech_audio(late, read(late), tmp_path)
    assert path is not None
    with wave.open(str(path)) as sound:
        before, after = sound.readframes(16_000), sound.readframes(2 * 16_000)
    assert not any(before)
    assert any(after)


def test_a_silent_video_has_no_sound_to_recognise(making: Making, tmp_path: Path) -> None:
    clip = making("silent.mp4", seconds=1, audio=False)
    assert audio.extract_speech_audio(clip, read(clip), tmp_path) is None


def test_a_good_upload_passes_and_is_described(clip: Path) -> None:
    outcomes = source.verify_upload(clip, read(clip), **LIMITS)
    assert tuple(outcome.name for outcome in outcomes) == source.CHECKS
    assert all(outcome.passed for outcome in outcomes)
    assert outcomes[0].summary == "h264 640x360, 30 fps, aac 48000 Hz, 8.0 s"


def test_an_upload_that_changed_or_is_too_large_or_too_long_fails(clip: Path, tmp_path: Path) -> None:
    probe = read(clip)
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(clip.read_bytes() + b"x")
    assert not source.verify_upload(changed, probe, **LIMITS)[0].passed
    assert "at most 1,000" in source.verify_upload(clip, probe, **{**LIMITS, "max_bytes": 1000})[1].summary
    assert "at most 5 " in source.verify_upload(clip, probe, **{**LIMITS, "max_duration": 5})[1].summary
