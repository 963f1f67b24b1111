from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from video_assets.speech.model import SpeechModel
from video_assets.speech.whisper import Recognition
from video_assets_tests.fixtures import make_looping_whisper

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = FIXTURES / "tiny-whisper" / "model"


@dataclass(frozen=True)
class Talk:
    """A recording and what is said in it."""

    path: Path
    samples: np.ndarray
    sentences: list[dict[str, Any]]


def recognition(folder: Path = MODEL, **more: Any) -> Recognition:
    """How to recognise with a model in a folder. One thread, unless `test_processors.py` says otherwise: such small
    models only wait for each other in more."""
    threads = int(os.environ.get("SPEECH_TEST_THREADS", "1"))
    return Recognition(SpeechModel(str(folder), device="cpu", threads=threads), **more)


@pytest.fixture(scope="session")
def tiny() -> Recognition:
    """The tiny model that really listens."""
    return recognition()


@pytest.fixture(scope="session")
def looping(tmp_path_factory: pytest.TempPathFactory) -> Recognition:
    """A model that says one word for ever."""
    return recognition(make_looping_whisper.write(tmp_path_factory.mktemp("looping") / "model"))


def write_wav(path: Path, samples: np.ndarray, *, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((channels, 2, rate, 0, "NONE", ""))
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    from faster_whisper import decode_audio

    samples = decode_audio(str(FIXTURES / "speech" / "talk.ogg"))
    path = write_wav(tmp_path_factory.mktemp("talk") / "talk.wav", samples)
    return Talk(path, samples, json.loads((FIXTURES / "speech" / "talk.json").read_text())["sentences"])
