"""The sound, window by window."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from video_assets.errors import PermanentError
from video_assets.speech.sound import Window, open_wav, stretch_cut, voiced
from video_assets.speech.voice import RATE
from video_assets_tests.speech.conftest import Talk, write_wav


@pytest.fixture
def noise(tmp_path: Path) -> tuple[np.ndarray, Path]:
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, RATE * 100).astype(np.float32)
    samples[RATE * 22 : RATE * 23] = 0
    return samples, write_wav(tmp_path / "noise.wav", samples)


def test_the_windows_hold_every_sample_once_and_in_order(noise: tuple[np.ndarray, Path]) -> None:
    samples, path = noise
    with open_wav(path) as sound:
        found = list(sound.windows(30.0))
        assert sound.seconds == 100.0
    assert np.allclose(np.concatenate([window.samples for window in found]), samples, atol=1e-4)
    ends = np.cumsum([window.seconds for window in found])
    assert [window.start for window in found] == pytest.approx([0.0, *ends[:-1]])
    assert all(window.seconds <= 30.0 for window in found)
    assert 22 <= found[1].start <= 23, "the first window ends in the quiet second"


def test_a_window_in_pieces_holds_every_sample_once_and_in_order(noise: tuple[np.ndarray, Path]) -> None:
    samples, _ = noise
    window = Window(7.0, samples)
    pieces = list(window.pieces(25.0))
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), samples)
    assert pieces[0].start == 7.0
    assert all(before.end == pytest.approx(after.start) for before, after in pairwise(pieces))
    assert all(piece.seconds <= 25.0 for piece in pieces)


@pytest.mark.parametrize(("count", "seconds", "starts"), [(4, 10, [11.25, 33.75, 56.25, 78.75]), (5, 30, [0.0])])
def test_excerpts_are_spread_over_the_whole_length(
    noise: tuple[np.ndarray, Path], count: int, seconds: float, starts: list[float]
) -> None:
    samples, path = noise
    with open_wav(path) as sound:
        found = list(sound.excerpts(count, seconds))
    assert [excerpt.start for excerpt in found] == pytest.approx(starts, abs=0.01)
    for excerpt in found:
        start = round(excerpt.start * RATE)
        assert np.allclose(excerpt.samples, samples[start : start + len(excerpt.samples)], atol=1e-4)


def test_a_window_ends_where_a_stretch_of_speech_begins(talk: Talk) -> None:
    """Three talks and a half, with pauses: one and a part of the next fit half a minute, so that a stretch begins
    with each sentence that no longer does."""
    turn = np.concatenate([talk.samples, np.zeros(RATE * 2, dtype=np.float32)])
    samples = np.tile(turn, 4)[: RATE * 75]
    cut = stretch_cut(samples, 30.0)
    spans = voiced(samples, 30.0)
    assert cut in [start for start, _ in spans]
    assert sum(end - start for start, end in spans if start >= cut) <= 30.0 * RATE
    assert stretch_cut(np.zeros(RATE * 20, dtype=np.float32), 30.0) > 0, "silence is cut anywhere"


def test_voices_are_told_from_silence_and_noise(talk: Talk) -> None:
    silence = np.zeros(RATE * 4, dtype=np.float32)
    window = Window(0.0, np.concatenate([silence, talk.samples, silence]))
    assert window.voice_seconds == pytest.approx(len(talk.samples) / RATE, rel=0.1)
    assert 3.7 < window.voice[0][0] < 4.3
    assert Window(0.0, silence).voice == Window(0.0, silence[:0]).voice == ()


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (16_000, 2)])
def test_audio_of_another_kind_is_refused(rate: int, channels: int, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "other.wav", np.zeros(1000), rate=rate, channels=channels)
    with pytest.raises(PermanentError, match="not 16 kHz mono"), open_wav(path):
        pass


def test_a_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("hello")
    with pytest.raises(PermanentError, match="cannot be read"), open_wav(path):
        pass
