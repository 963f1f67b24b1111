from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = FIXTURES / "tiny-whisper" / "model"


@dataclass(frozen=True)
class Talk:
    """A recording and what is said in it."""

    path: Path
    samples: np.ndarray
    sentences: list[dict]


@pytest.fixture(scope="session")
def model() -> str:
    return str(MODEL)


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    from faster_whisper import decode_audio

    samples = decode_audio(str(FIXTURES / "speech" / "talk.ogg"))
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return Talk(path, samples, json.loads((FIXTURES / "speech" / "talk.json").read_text())["sentences"])
