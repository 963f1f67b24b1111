"""Speech recognition with faster-whisper, guarded against invented text.

One pass over the sound finds the speech and groups it into stretches of at most half a minute, cut in pauses, as the
library does. A window of several stretches is read and recognised at once, so that ten hours need no more memory than
ten minutes. This batched mode does not retry what it is unsure of, so up to three more attempts follow for a window:

1. again in shorter stretches;
2. in the library's sequential mode, one stretch after the other at rising temperatures;
3. if the recogniser loops, in small pieces with repetitions forbidden.

A piece in which it still repeats itself is refused: those seconds are left out of the transcript, and listed in it.
"""

from __future__ import annotations

import logging
import math
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from video_assets.errors import PermanentError, one_line
from video_assets.speech import memory
from video_assets.speech.clean import clean_text
from video_assets.speech.language import agreed
from video_assets.speech.model import SpeechModel, load
from video_assets.speech.shorten import shortened
from video_assets.speech.sound import VOICE, Sound, Window, open_wav
from video_assets.speech.transcript import Segment, Transcript, Word, covered_seconds
from video_assets.speech.verify import repeated
from video_assets.speech.voice import RATE

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

VERSION = "whisper-3"

WINDOW_SECONDS = 240.0
"""The most sound that is read at a time, including the silence between speech."""
STRETCH_SECONDS = 30.0
"""The length of a stretch: the speech that the model is given at once."""
SHORT_SECONDS = 20.0
"""The length of a stretch in the second attempt."""
GRAIN = RATE // 100
"""Samples in 10 ms, to which the library rounds times."""
GPU_BATCH, CPU_BATCH = 8, 2
"""Stretches recognised at once if no number is set."""
LANGUAGE_EXCERPTS = 5
COMPRESSION_LIMIT = 2.4
NO_SPEECH_LIMIT = 0.6
LOG_PROBABILITY_LIMIT = -1.0

_COMMON: dict[str, Any] = {
    # Else the text of one wrong window would be the prompt of the next, which then repeats it.
    "condition_on_previous_text": False,
    "word_timestamps": True,
    "vad_filter": True,
    "compression_ratio_threshold": COMPRESSION_LIMIT,
    "no_speech_threshold": NO_SPEECH_LIMIT,
    "log_prob_threshold": LOG_PROBABILITY_LIMIT,
}
_NO_REPEATS: dict[str, Any] = {"no_repeat_ngram_size": 4, "repetition_penalty": 1.2}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recognition:
    """The model and options of a recognition."""

    model: SpeechModel = field(default_factory=SpeechModel)
    language: str = ""
    """ISO 639-1 code; empty: detected from excerpts."""
    batch_size: int = 0
    """Stretches recognised at once; 0: `GPU_BATCH` or `CPU_BATCH`."""


def transcribe(audio: Path, how: Recognition, *, on_progress: Callable[[float], None] | None = None) -> Transcript:
    """The transcript of a 16 kHz mono 16-bit WAV file. `on_progress` is called with the fraction done.

    Raises PermanentError that says what is wrong with the model, the device or the audio.
    """
    recogniser = load(how.model)
    batch = how.batch_size or (GPU_BATCH if recogniser.model.device == "cuda" else CPU_BATCH)
    with open_wav(audio) as sound, _device_errors_in_words(how.model):
        language, probability = spoken_language(recogniser, sound, how.language)
        transcription = _Transcription(recogniser, language, batch)
        for window in sound.speech_windows(STRETCH_SECONDS, batch, max(WINDOW_SECONDS, (batch + 1) * STRETCH_SECONDS)):
            for reached in transcription.recognise(window):
                if on_progress is not None:
                    on_progress(min(1.0, reached / sound.seconds))
        total = sound.seconds
    if on_progress is not None:
        on_progress(1.0)
    segments = transcription.segments
    anything = transcription.voice_seconds > 0
    return Transcript(
        segments=segments,
        source="whisper",
        duration_seconds=total,
        speech_seconds=covered_seconds(segments),
        language=language if anything else None,
        language_probability=probability if anything else None,
        model_info={
            "recogniser": VERSION,
            "model": Path(how.model.name).name,
            "device": recogniser.model.device,
            "compute_type": recogniser.model.compute_type,
            "voice_seconds": round(transcription.voice_seconds, 3),
            "refused": [[round(start, 3), round(end, 3)] for start, end in transcription.refused],
        },
    )


def spoken_language(recogniser: WhisperModel, sound: Sound, configured: str) -> tuple[str | None, float | None]:
    """The language and its probability: the configured one, else the one that excerpts of the whole sound agree on.

    None if nobody speaks in the excerpts: then the first window with speech decides."""
    if not recogniser.model.is_multilingual:
        return "en", None if configured else 1.0
    if configured:
        return configured, None
    votes = []
    for excerpt in sound.excerpts(LANGUAGE_EXCERPTS, STRETCH_SECONDS):
        if excerpt.voice_seconds >= 1.0:
            _, _, probabilities = recogniser.detect_language(
                audio=excerpt.samples, vad_filter=True, language_detection_segments=1
            )
            votes.append((excerpt.voice_seconds, dict(probabilities)))
    return agreed(votes) or (None, None)


@dataclass
class _Transcription:
    """Recognises window after window, and holds the segments so far."""

    recogniser: WhisperModel
    language: str | None
    batch: int
    voice_seconds: float = 0.0
    refused: list[tuple[float, float]] = field(default_factory=list)
    _spoken: int = 0
    """Samples of speech in the windows before."""
    _before: float = 0.0
    """When the last word before this window ended, in seconds of speech from the window's beginning; negative."""
    _pickled: list[bytes] = field(default_factory=list)
    """The segments of each window, pickled: as objects, the words of hours take as much memory as the recognition of a
    window."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments so far."""
        return tuple(segment for data in self._pickled for segment in pickle.loads(data))

    def recognise(self, window: Window) -> Iterator[float]:
        """Recognises one window and adds its segments. Yields up to which second of the sound it has come."""
        found, info = self._batched(window)
        raw = []
        for segment in found:
            raw.append(segment)
            yield min(window.start + segment.end, window.end)
        if info.duration_after_vad > 0:
            self.voice_seconds += float(info.duration_after_vad)
            self.language = self.language or info.language
            self._add_or_retry(window, raw)
        memory.give_back()
        yield window.end

    def _add_or_retry(self, window: Window, raw: list[Any]) -> None:
        """Adds the window's segments if the recogniser was sure of them, else tries again in the other ways."""
        segments = our_segments(raw, window)
        if any(map(is_doubtful, stretches(raw))) or repeated(segments) is not None:
            _log.info("heard again, cut otherwise: %.0f to %.0f s", window.start, window.end)
            memory.give_back()
            raw = self._in_shorter_stretches(window)
            segments = our_segments(raw, window)
        if any(map(is_doubtful, stretches(raw))) or repeated(segments) is not None:
            _log.info("heard again, more slowly: %.0f to %.0f s", window.start, window.end)
            memory.give_back()
            raw = self._sequentially(window)
            segments = our_segments(raw, window)
        if repeated(segments) is None and not any(map(is_looping, stretches(raw))):
            self._pickled.append(pickle.dumps(segments))
        else:
            self._without_repetitions(window)

    def _in_shorter_stretches(self, window: Window) -> list[Any]:
        """Recognises shorter stretches, cut at quiet moments: a stretch that had to be cut within a word misleads the
        model."""
        heard: list[Any] = []
        for piece in window.pieces(SHORT_SECONDS):
            found, _ = self._batched(piece)
            later = piece.start - window.start
            for segment in _shifted(found, later):
                segment.seek += round(later * RATE)
                heard.append(segment)
        return heard

    def _without_repetitions(self, window: Window) -> None:
        """Recognises a window in which the recogniser loops, in pieces and with repetitions forbidden. A piece in which
        it still loops, or is unsure, is refused."""
        for piece in window.pieces(STRETCH_SECONDS):
            found, _ = self._batched(piece, **_NO_REPEATS)
            raw = list(found)
            segments = our_segments(raw, piece)
            if repeated(segments) is None and not any(map(is_doubtful, stretches(raw))):
                self._pickled.append(pickle.dumps(segments))
            else:
                _log.warning("the recogniser repeats itself; refused: %.0f to %.0f s", piece.start, piece.end)
                self.refused.append((piece.start, piece.end))

    def _batched(self, window: Window, **options: Any) -> tuple[Iterable[Any], Any]:
        """Recognises the window's stretches in the library's batched mode. Returns its segments, with times from the
        window's start, and its information. Time stamps are asked for: without them, a stretch is one segment."""
        from faster_whisper import BatchedInferencePipeline
        from faster_whisper.transcribe import restore_speech_timestamps

        pipeline = BatchedInferencePipeline(self.recogniser)
        options = batch_options() | {"language": self.language, "batch_size": self.batch} | options
        if not window.stretches:
            answer: tuple[Iterable[Any], Any] = pipeline.transcribe(window.samples, **options)
            return answer
        spans = [span for stretch in window.stretches for span in stretch]
        # The library rounds times within the speech alone, to 10 ms. Silence of `odd` samples is put before it, so that
        # they are rounded as if all windows were one sound.
        odd = self._spoken % GRAIN
        together = np.concatenate([np.zeros(odd, np.float32), *(window.samples[begin:end] for begin, end in spans)])
        pipeline.last_speech_timestamp = odd / RATE + self._before
        found, info = pipeline.transcribe(together, clip_timestamps=_clips(window, odd), **options)
        first = round(window.start * RATE)
        places = [{"start": first + begin, "end": first + end} for begin, end in spans]
        places[0]["start"] -= odd
        self._spoken += len(together) - odd
        segments = self._remembering_end(found, len(together) / RATE)
        return _shifted(restore_speech_timestamps(segments, places, RATE), -window.start), info

    def _remembering_end(self, found: Iterable[Any], seconds: float) -> Iterator[Any]:
        """Passes the segments on, and remembers when the last one ends: the library limits the length of the next
        window's first word by it."""
        last = self._before
        for segment in found:
            last = segment.end
            yield segment
        self._before = last - seconds

    def _sequentially(self, window: Window) -> list[Any]:
        """Recognises the window in the library's sequential mode: one stretch after the other, each at rising
        temperatures until the model is sure. Stops when it loops: it may then never reach the end of the sound."""
        raw, _ = self.recogniser.transcribe(window.samples, language=self.language, **_COMMON)
        found: list[Any] = []
        for segment in raw:
            found.append(segment)
            if is_looping(stretches(found)[-1]) or repeated(our_segments(found, window)) is not None:
                break
        return found


def batch_options() -> dict[str, Any]:
    """Options of the batched mode, without language and batch size."""
    return _COMMON | {"without_timestamps": False, "vad_parameters": dict(VOICE)}


def _clips(window: Window, begin: int) -> list[dict[str, float]]:
    """Begin and end of each stretch in seconds, in a sound that holds only the stretches, from sample `begin` on. Half
    a sample is added, since the library rounds down to samples."""
    clips, reached = list[dict[str, float]](), begin
    for stretch in window.stretches:
        size = sum(end - begin for begin, end in stretch)
        clips.append({"start": (reached + 0.5) / RATE, "end": (reached + size + 0.5) / RATE})
        reached += size
    return clips


def _shifted(raw: Iterable[Any], seconds: float) -> Iterator[Any]:
    """The library's segments and their words, `seconds` later."""
    for segment in raw:
        for each in [segment, *(segment.words or [])]:
            each.start, each.end = each.start + seconds, each.end + seconds
        yield segment


@dataclass(frozen=True)
class Stretch:
    """The text of one stretch, and the model's figures for the whole of it."""

    text: str
    log_probability: float
    no_speech: float


def stretches(raw: Iterable[Any]) -> list[Stretch]:
    """The library's segments, grouped by the stretch that they were recognised in."""
    return [
        Stretch("".join(each.text for each in group), group[0].avg_logprob, group[0].no_speech_prob)
        for group in (list(members) for _, members in groupby(raw, key=lambda segment: segment.seek))
    ]


def is_doubtful(stretch: Stretch) -> bool:
    """Whether the model was unsure of the stretch, or repeats itself in it."""
    unsure = stretch.log_probability < LOG_PROBABILITY_LIMIT
    if unsure and stretch.no_speech > NO_SPEECH_LIMIT:
        return False  # silence that the voice detector took for speech: `our_segments` leaves it out
    return unsure or is_looping(stretch)


def is_looping(stretch: Stretch) -> bool:
    """Whether the text repeats itself."""
    return compression(stretch.text) > COMPRESSION_LIMIT


def compression(text: str) -> float:
    """The compression ratio of the text; it is high for repetitions."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def our_segments(raw: Iterable[Any], window: Window) -> tuple[Segment, ...]:
    """The library's segments as `Segment`s: in order, inside the window, long ones cut, invented ones left out."""
    found: list[Segment] = []
    for segment in raw:
        for each in _unless_invented(segment, window.start, found[-1].start if found else window.start, window.end):
            found += shortened(each)
    return tuple(found)


def _unless_invented(segment: Any, offset: float, earliest: float, end: float) -> Iterator[Segment]:
    """The segment as a `Segment`; nothing if it is empty, or if the model invented it (unsure of it, and it is probably
    silence or a repetition)."""
    text, unsure = clean_text(segment.text), segment.avg_logprob < LOG_PROBABILITY_LIMIT
    invented = segment.no_speech_prob > NO_SPEECH_LIMIT or segment.compression_ratio > COMPRESSION_LIMIT
    if text and not (unsure and invented):
        start = _clamped(segment.start + offset, earliest, end)
        words = tuple(_words(segment.words or [], offset, start, end))
        last = max((_clamped(segment.end + offset, start, end), *(word.end for word in words)))
        yield Segment(start=start, end=last, text=text, words=words)


def _words(words: Any, offset: float, start: float, end: float) -> Iterator[Word]:
    reached = start
    for word in words:
        text = clean_text(word.word)
        if not text:
            continue
        reached = _clamped(word.start + offset, reached, end)
        yield Word(
            start=reached,
            end=_clamped(word.end + offset, reached, end),
            text=text,
            probability=min(max(float(word.probability), 0.0), 1.0),
        )


def _clamped(value: float, low: float, high: float) -> float:
    return min(max(value, low), max(low, high)) if math.isfinite(value) else low


@contextmanager
def _device_errors_in_words(model: SpeechModel) -> Iterator[None]:
    """Turns errors of the device into PermanentErrors of one line that name the setting to change."""
    try:
        yield
    except RuntimeError as error:
        said = one_line(error, 200)
        if "out of memory" in said.lower():
            raise PermanentError(
                f"speech model {one_line(model.name, 100)} does not fit this device's memory: set "
                "VIDEO_ASSETS_WHISPER_BATCH_SIZE to 1, a smaller VIDEO_ASSETS_WHISPER_MODEL, or _DEVICE to cpu"
            ) from error
        if "cannot be loaded" in said or "CUDA" in said:
            raise PermanentError(
                f"the GPU cannot be used for speech ({said}): set VIDEO_ASSETS_WHISPER_DEVICE to cpu"
            ) from error
        raise
