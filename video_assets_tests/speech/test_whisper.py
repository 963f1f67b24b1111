"""Real recognition by the tiny model of the fixtures: nothing is mocked, nothing is downloaded."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from video_assets.errors import PermanentError
from video_assets.speech import whisper
from video_assets.speech.verify import transcript_checks


def write_wav(path: Path, samples: np.ndarray, *, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((channels, 2, rate, 0, "NONE", ""))
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def test_every_sentence_is_heard_where_it_is_said(talk, model):
    found = whisper.transcribe(talk.path, model=model)
    assert [segment.text for segment in found.segments] == [sentence["text"] for sentence in talk.sentences]
    for segment, sentence in zip(found.segments, talk.sentences, strict=True):
        assert abs(segment.start - sentence["start"]) < 0.15
        assert abs(segment.end - sentence["end"]) < 0.15
        assert segment.words
        assert [word.text for word in segment.words] == sentence["text"].split()
        assert segment.start <= segment.words[0].start <= segment.words[-1].end <= segment.end
    assert (found.language, found.source) == ("en", "whisper")
    assert found.duration_seconds == pytest.approx(len(talk.samples) / 16_000, abs=0.001)
    assert 0.7 < found.speech_seconds / found.duration_seconds <= 1
    assert all(check.passed for check in transcript_checks(found, found.duration_seconds, has_audio=True))


def test_a_long_recording_is_read_in_windows_and_keeps_its_times(talk, model, tmp_path, monkeypatch):
    monkeypatch.setattr(whisper, "WINDOW_SECONDS", 25.0)
    pause = np.zeros(16_000 * 3, dtype=np.float32)
    long = write_wav(tmp_path / "long.wav", np.concatenate([talk.samples, pause, talk.samples, pause, talk.samples]))
    reached: list[float] = []
    found = whisper.transcribe(long, model=model, on_progress=reached.append)
    period = (len(talk.samples) + len(pause)) / 16_000
    said = [(sentence["start"] + period * turn, sentence["text"]) for turn in range(3) for sentence in talk.sentences]
    assert [segment.text for segment in found.segments] == [text for _, text in said]
    assert max(abs(segment.start - start) for segment, (start, _) in zip(found.segments, said, strict=True)) < 0.3
    assert reached == sorted(reached)
    assert reached[-1] == 1.0
    assert len(reached) > 20


@pytest.mark.parametrize("kind", ["silence", "noise", "hum"])
def test_where_nobody_speaks_no_words_are_invented(kind, model, tmp_path):
    moments = np.arange(16_000 * 8) / 16_000
    samples = {
        "silence": np.zeros_like(moments),
        "noise": 0.05 * np.random.default_rng(1).standard_normal(len(moments)),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * moments),
    }[kind]
    found = whisper.transcribe(write_wav(tmp_path / "quiet.wav", samples), model=model)
    assert found.segments == ()
    assert found.speech_seconds == 0
    assert all(check.passed for check in transcript_checks(found, found.duration_seconds, has_audio=True))


def test_audio_without_a_single_sample_gives_an_empty_transcript(model, tmp_path):
    found = whisper.transcribe(write_wav(tmp_path / "none.wav", np.zeros(0)), model=model)
    assert (found.segments, found.duration_seconds) == ((), 0.0)


def test_the_windows_hold_every_sample_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(whisper, "WINDOW_SECONDS", 30.0)
    samples = np.random.default_rng(2).uniform(-0.5, 0.5, 16_000 * 100).astype(np.float32)
    samples[16_000 * 22 : 16_000 * 23] = 0
    with wave.open(str(write_wav(tmp_path / "noise.wav", samples)), "rb") as sound:
        found = list(whisper.windows(sound))
    assert np.allclose(np.concatenate([window for _, window in found]), samples, atol=1e-4)
    assert [start for start, _ in found] == pytest.approx(
        [0.0, *np.cumsum([len(window) / 16_000 for _, window in found])[:-1]]
    )
    assert 22 <= found[1][0] <= 23, "the first window ends in the quiet second"


def test_the_model_is_loaded_once_a_process(model):
    assert whisper.load_model(model) is whisper.load_model(model)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path, talk):
    with pytest.raises(PermanentError, match=r"no speech model in .*VIDEO_ASSETS_WHISPER_MODEL") as raised:
        whisper.transcribe(talk.path, model=str(tmp_path))
    assert "\n" not in str(raised.value)
    assert not whisper.is_available(str(tmp_path))


def test_a_name_that_can_neither_be_found_nor_fetched_is_refused_in_one_line(talk, monkeypatch):
    import faster_whisper

    def unreachable(name: str, **options: object) -> str:
        raise OSError("no route to host\nanother line")

    monkeypatch.setattr(faster_whisper, "download_model", unreachable)
    with pytest.raises(PermanentError, match="neither be loaded nor fetched") as raised:
        whisper.transcribe(talk.path, model="no-such-size")
    assert "\n" not in str(raised.value)


def test_a_model_folder_is_available(model):
    assert whisper.is_available(model)
    assert not whisper.is_available("")


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 1), (16_000, 2)])
def test_audio_of_another_kind_is_refused(rate, channels, model, tmp_path):
    path = write_wav(tmp_path / "other.wav", np.zeros(1000), rate=rate, channels=channels)
    with pytest.raises(PermanentError, match="not 16 kHz mono"):
        whisper.transcribe(path, model=model)


def test_a_file_that_is_no_audio_is_refused(model, tmp_path):
    path = tmp_path / "text.wav"
    path.write_text("hello")
    with pytest.raises(PermanentError, match="cannot be read"):
        whisper.transcribe(path, model=model)


class _Stuck:
    """A recogniser caught in a loop until repetitions are forbidden, or for ever."""

    def __init__(self, *, for_ever: bool) -> None:
        self.for_ever = for_ever
        self.options: list[dict] = []

    def transcribe(self, samples, **options):
        from faster_whisper.transcribe import Segment

        self.options.append(options)
        looping = self.for_ever or "no_repeat_ngram_size" not in options
        texts = ["Thank you."] * 12 if looping else ["The tide rises."]
        found = [
            Segment(
                id=at, seek=0, start=float(at), end=at + 1.0, text=text, tokens=[], avg_logprob=-0.2,
                compression_ratio=1.0, no_speech_prob=0.0, words=None, temperature=0.0,
            )
            for at, text in enumerate(texts)
        ]  # fmt: skip
        info = type("Info", (), {"duration_after_vad": 20.0, "language": "en", "language_probability": 1.0})
        return iter(found), info


@pytest.mark.parametrize("for_ever", [False, True])
def test_a_window_in_which_the_recogniser_is_stuck_is_tried_again_and_then_refused(for_ever, talk, monkeypatch):
    stuck = _Stuck(for_ever=for_ever)
    monkeypatch.setattr(whisper, "load_model", lambda name: stuck)
    found = whisper.transcribe(talk.path, model="stuck")
    assert len(stuck.options) == 2
    assert all(options["condition_on_previous_text"] is False for options in stuck.options)
    checks = {check.name: check for check in transcript_checks(found, found.duration_seconds, has_audio=True)}
    assert checks["no_stuck_repetition"].passed is not for_ever
    if not for_ever:
        assert [segment.text for segment in found.segments] == ["The tide rises."]
