"""Speech recognised by faster-whisper, with the guards that keep it from inventing text.

The audio is read in windows, cut where it is quiet, so that ten hours need no more memory than ten minutes.
"""

from __future__ import annotations

import logging
import math
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from video_assets.errors import PermanentError, one_line
from video_assets.speech.clean import clean_text
from video_assets.speech.transcript import Segment, Transcript, Word, covered_seconds
from video_assets.speech.verify import repeated

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

VERSION = "whisper-1"

RATE = 16_000
WINDOW_SECONDS = 300.0
QUIET_SEARCH_SECONDS = 20.0
"""A window ends at the quietest moment of its last so many seconds."""
COMPRESSION_LIMIT = 2.4
NO_SPEECH_LIMIT = 0.6
LOG_PROBABILITY_LIMIT = -1.0

_UNSTUCK: dict[str, Any] = {"no_repeat_ngram_size": 4, "repetition_penalty": 1.2, "temperature": (0.2, 0.6)}

_log = logging.getLogger(__name__)

Samples = np.ndarray[Any, np.dtype[np.float32]]


def transcribe(
    audio: Path, *, model: str, on_progress: Callable[[float], None] | None = None, language: str | None = None
) -> Transcript:
    """The transcript of a 16 kHz mono 16-bit WAV file.

    `model`: folder of a faster-whisper model, or the name of one (cached, else fetched from its hub);
    `on_progress` is called with the fraction done; `language`: ISO 639-1 code, None to detect it.
    A PermanentError says what is wrong with the model or the audio.
    """
    recogniser = load_model(model)
    heard = _Heard(language=language)
    with _open(audio) as sound:
        total = sound.getnframes() / RATE
        for start, samples in windows(sound):
            for reached in _hear(recogniser, samples, start, heard):
                if on_progress is not None:
                    on_progress(min(1.0, reached / total))
    segments = tuple(heard.segments)
    return Transcript(
        segments=segments, language=heard.language, language_probability=heard.language_probability,
        source="whisper", duration_seconds=total, speech_seconds=covered_seconds(segments),
        model_info={"recogniser": VERSION, "model": Path(model).name, "voice_seconds": round(heard.voice_seconds, 3)},
    )  # fmt: skip


def is_available(model: str) -> bool:
    """Whether the model is on this machine already: a folder with one, or a cached name."""
    return bool(model) and _local_folder(model) is not None


@lru_cache(maxsize=1)
def load_model(model: str) -> WhisperModel:
    """The recogniser, loaded once a process."""
    # Imported here: it brings seconds of start-up that only this stage should pay.
    from faster_whisper import WhisperModel, download_model

    folder = _local_folder(model)
    if folder is None and _looks_like_path(model):
        raise PermanentError(f"no speech model in {one_line(model, 200)}: set VIDEO_ASSETS_WHISPER_MODEL to its folder")
    try:
        return WhisperModel(folder or download_model(model), device="auto", compute_type="default")
    except Exception as error:
        raise PermanentError(
            f"speech model {one_line(model, 100)} can neither be loaded nor fetched ({one_line(error, 120)}): "
            "set VIDEO_ASSETS_WHISPER_MODEL to a faster-whisper model's folder or name"
        ) from error


def _local_folder(model: str) -> str | None:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder) if (folder / "model.bin").is_file() and (folder / "tokenizer.json").is_file() else None
    if _looks_like_path(model):
        return None
    from faster_whisper import download_model

    try:
        return str(download_model(model, local_files_only=True))
    except Exception:  # the hub's client has no one type for "not in the cache"
        return None


def _looks_like_path(model: str) -> bool:
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or "\\" in model or Path(model).exists()


@dataclass
class _Heard:
    """What was understood so far."""

    language: str | None
    language_probability: float | None = None
    voice_seconds: float = 0.0
    segments: list[Segment] = field(default_factory=list)


def _hear(recogniser: WhisperModel, samples: Samples, offset: float, heard: _Heard) -> Iterator[float]:
    """Recognises one window, which begins at `offset` (seconds), and adds what it says; yields how far it is.

    A window in which the recogniser got stuck is tried once more, with repetitions forbidden.
    """
    before, end = len(heard.segments), offset + len(samples) / RATE
    attempts: tuple[dict[str, Any], ...] = ({}, _UNSTUCK)
    for options in attempts:
        del heard.segments[before:]
        found, info = _recognised(recogniser, samples, heard.language, options)
        for segment in found:
            heard.segments += _kept(segment, offset, heard.segments[-1].start if heard.segments else 0.0, end)
            yield min(offset + segment.end, end)
        if repeated(tuple(heard.segments[before:])) is None:
            break
        _log.warning("the recogniser repeats itself between %.0f and %.0f s", offset, end)
    if heard.language is None and info.duration_after_vad > 0:
        heard.language, heard.language_probability = info.language, min(1.0, float(info.language_probability))
    heard.voice_seconds += float(info.duration_after_vad)
    yield end


def _recognised(
    recogniser: WhisperModel, samples: Samples, language: str | None, options: dict[str, Any]
) -> tuple[Any, Any]:
    found: tuple[Any, Any] = recogniser.transcribe(
        samples,
        language=language,
        language_detection_segments=4,
        # One wrong window would otherwise talk the following ones into repeating it.
        condition_on_previous_text=False,
        vad_filter=True,
        vad_parameters={"min_silence_duration_ms": 1000, "speech_pad_ms": 200},
        word_timestamps=True,
        compression_ratio_threshold=COMPRESSION_LIMIT,
        no_speech_threshold=NO_SPEECH_LIMIT,
        log_prob_threshold=LOG_PROBABILITY_LIMIT,
        **options,
    )
    return found


def _kept(segment: Any, offset: float, earliest: float, end: float) -> Iterator[Segment]:
    """The recogniser's segment as ours; none where it is empty or text invented out of nothing."""
    text, unsure = clean_text(segment.text), segment.avg_logprob < LOG_PROBABILITY_LIMIT
    invented = segment.no_speech_prob > NO_SPEECH_LIMIT or segment.compression_ratio > COMPRESSION_LIMIT
    if text and not (unsure and invented):
        start = _clamped(segment.start + offset, earliest, end)
        words = tuple(_words(segment.words or [], offset, start, end))
        yield Segment(start=start, end=_clamped(segment.end + offset, start, end), text=text, words=words)


def _words(words: Any, offset: float, start: float, end: float) -> Iterator[Word]:
    reached = start
    for word in words:
        text = clean_text(word.word)
        if not text:
            continue
        reached = _clamped(word.start + offset, reached, end)
        yield Word(
            start=reached, end=_clamped(word.end + offset, reached, end), text=text,
            probability=min(max(float(word.probability), 0.0), 1.0),
        )  # fmt: skip


def _clamped(value: float, low: float, high: float) -> float:
    return min(max(value, low), max(low, high)) if math.isfinite(value) else low


def _open(audio: Path) -> wave.Wave_read:
    try:
        sound = wave.open(str(audio), "rb")  # noqa: SIM115  (the caller closes it)
    except (OSError, EOFError, wave.Error) as error:
        raise PermanentError(f"the audio cannot be read: {one_line(error, 200)}") from error
    if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (RATE, 1, 2):
        sound.close()
        raise PermanentError("the audio is not 16 kHz mono 16-bit WAV: convert it first")
    return sound


def windows(sound: wave.Wave_read) -> Iterator[tuple[float, Samples]]:
    """The audio in windows of at most WINDOW_SECONDS, cut at quiet moments: (start in seconds, samples in ±1)."""
    size, begun = int(WINDOW_SECONDS * RATE), 0
    rest = np.zeros(0, dtype=np.float32)
    while True:
        raw = np.frombuffer(sound.readframes(size - len(rest)), dtype="<i2")
        samples = np.concatenate([rest, raw.astype(np.float32) / 32768.0])
        if not len(samples):
            return
        cut = quiet_cut(samples) if len(samples) == size else len(samples)
        yield begun / RATE, samples[:cut]
        begun, rest = begun + cut, samples[cut:].copy()


def quiet_cut(samples: Samples) -> int:
    """Where to cut a full window: the middle of the quietest half second of its last seconds."""
    block = RATE // 20
    tail = samples[-int(QUIET_SEARCH_SECONDS * RATE) :]
    energy = np.square(tail[: len(tail) // block * block]).reshape(-1, block).sum(axis=1)
    quiet = np.convolve(energy, np.ones(10), mode="valid")
    return len(samples) - len(tail) + (int(np.argmin(quiet)) + 5) * block
