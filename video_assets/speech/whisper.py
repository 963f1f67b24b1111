"""Speech recognised by faster-whisper, with the guards that keep it from inventing text.

What is spoken is found in one pass over the sound and put together into stretches of at most half a minute, cut in
pauses: the library's own. They are recognised several at once, and no more is read at a time, so that ten hours need no
more memory than ten minutes. That way knows no second thoughts, so what it is unsure of is heard again in shorter
stretches, and then the library's other way, one after the other at rising temperatures; and where the recogniser is
caught in a loop, in small pieces with repetitions forbidden. What it repeats even then is refused: those seconds are
left out of the transcript and named in it.
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
from video_assets.speech.sound import VOICE, Sound, Window, opened
from video_assets.speech.transcript import Segment, Transcript, Word, covered_seconds
from video_assets.speech.verify import repeated
from video_assets.speech.voice import RATE

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

VERSION = "whisper-3"

WINDOW_SECONDS = 240.0
"""The most that is read at a time, silence between what is spoken included."""
STRETCH_SECONDS = 30.0
"""What the model hears at once."""
SHORT_SECONDS = 20.0
"""The same, where longer stretches left it unsure."""
GRAIN = RATE // 100
"""Samples in what the library rounds times to."""
GPU_BATCH, CPU_BATCH = 8, 2
"""Stretches recognised at once where no number is set."""
LANGUAGE_EXCERPTS = 5
COMPRESSION_LIMIT = 2.4
NO_SPEECH_LIMIT = 0.6
LOG_PROBABILITY_LIMIT = -1.0

_COMMON: dict[str, Any] = {
    # One wrong window would otherwise talk the following ones into repeating it.
    "condition_on_previous_text": False,
    "word_timestamps": True,
    "vad_filter": True,
    "compression_ratio_threshold": COMPRESSION_LIMIT,
    "no_speech_threshold": NO_SPEECH_LIMIT,
    "log_prob_threshold": LOG_PROBABILITY_LIMIT,
}
_UNSTUCK: dict[str, Any] = {"no_repeat_ngram_size": 4, "repetition_penalty": 1.2}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recognition:
    """How to recognise."""

    model: SpeechModel = field(default_factory=SpeechModel)
    language: str = ""
    """ISO 639-1 code; empty: heard from excerpts."""
    batch_size: int = 0
    """Stretches recognised at once; 0: as many as suit the device."""


def transcribe(audio: Path, how: Recognition, *, on_progress: Callable[[float], None] | None = None) -> Transcript:
    """The transcript of a 16 kHz mono 16-bit WAV file. `on_progress` is called with the fraction done.

    A PermanentError says what is wrong with the model or the audio.
    """
    recogniser = load(how.model)
    batch = how.batch_size or (GPU_BATCH if recogniser.model.device == "cuda" else CPU_BATCH)
    with opened(audio) as sound, _trouble_in_words(how.model):
        language, probability = spoken_language(recogniser, sound, how.language)
        heard = _Heard(recogniser, language, batch)
        for window in sound.listening(STRETCH_SECONDS, batch, max(WINDOW_SECONDS, (batch + 1) * STRETCH_SECONDS)):
            for reached in heard.listen(window):
                if on_progress is not None:
                    on_progress(min(1.0, reached / sound.seconds))
        total = sound.seconds
    if on_progress is not None:
        on_progress(1.0)
    segments = heard.segments
    anything = heard.voice_seconds > 0
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
            "voice_seconds": round(heard.voice_seconds, 3),
            "refused": [[round(start, 3), round(end, 3)] for start, end in heard.refused],
        },
    )


def spoken_language(recogniser: WhisperModel, sound: Sound, wanted: str) -> tuple[str | None, float | None]:
    """The language and its probability: what is wanted, or what excerpts from the whole length agree on.

    None where nobody speaks in any of them: then each window is left to its own judgement."""
    if not recogniser.model.is_multilingual:
        return "en", None if wanted else 1.0
    if wanted:
        return wanted, None
    votes = []
    for excerpt in sound.excerpts(LANGUAGE_EXCERPTS, STRETCH_SECONDS):
        if excerpt.voice_seconds >= 1.0:
            _, _, probabilities = recogniser.detect_language(
                audio=excerpt.samples, vad_filter=True, language_detection_segments=1
            )
            votes.append((excerpt.voice_seconds, dict(probabilities)))
    return agreed(votes) or (None, None)


@dataclass
class _Heard:
    """What was understood so far, and how the rest is listened to."""

    recogniser: WhisperModel
    language: str | None
    batch: int
    voice_seconds: float = 0.0
    refused: list[tuple[float, float]] = field(default_factory=list)
    _spoken: int = 0
    """Samples of speech in the windows before."""
    _before: float = 0.0
    """When the last word was said, in seconds of speech from the window's beginning; negative."""
    _packed: list[bytes] = field(default_factory=list)
    """What was said in each window, packed: the words of hours, as objects, take as much as recognising a window."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Everything that was said so far."""
        return tuple(segment for data in self._packed for segment in pickle.loads(data))

    def listen(self, window: Window) -> Iterator[float]:
        """Recognises one window and adds what is said in it; yields how far it is, in seconds."""
        found, info = self._at_once(window)
        raw = []
        for segment in found:
            raw.append(segment)
            yield min(window.start + segment.end, window.end)
        if info.duration_after_vad > 0:
            self.voice_seconds += float(info.duration_after_vad)
            self.language = self.language or info.language
            self._judge(window, raw)
        memory.give_back()
        yield window.end

    def _judge(self, window: Window, raw: list[Any]) -> None:
        segments = ours(raw, window)
        if any(map(is_doubtful, stretches(raw))) or repeated(segments) is not None:
            _log.info("heard again, cut otherwise: %.0f to %.0f s", window.start, window.end)
            memory.give_back()
            raw = self._cut_otherwise(window)
            segments = ours(raw, window)
        if any(map(is_doubtful, stretches(raw))) or repeated(segments) is not None:
            _log.info("heard again, more slowly: %.0f to %.0f s", window.start, window.end)
            memory.give_back()
            raw = self._one_by_one(window)
            segments = ours(raw, window)
        if repeated(segments) is None and not any(map(is_looping, stretches(raw))):
            self._packed.append(pickle.dumps(segments))
        else:
            self._piece_by_piece(window)

    def _cut_otherwise(self, window: Window) -> list[Any]:
        """In shorter stretches, cut where it is quietest: one that had to be cut within a word misleads the model."""
        heard: list[Any] = []
        for piece in window.pieces(SHORT_SECONDS):
            found, _ = self._at_once(piece)
            later = piece.start - window.start
            for segment in _moved(found, later):
                segment.seek += round(later * RATE)
                heard.append(segment)
        return heard

    def _piece_by_piece(self, window: Window) -> None:
        """A window in which the recogniser is stuck, tried in pieces with repetitions forbidden. A piece where it is
        stuck all the same, or no longer sure of what it says, is refused."""
        for piece in window.pieces(STRETCH_SECONDS):
            found, _ = self._at_once(piece, **_UNSTUCK)
            raw = list(found)
            segments = ours(raw, piece)
            if repeated(segments) is None and not any(map(is_doubtful, stretches(raw))):
                self._packed.append(pickle.dumps(segments))
            else:
                _log.warning("the recogniser repeats itself; refused: %.0f to %.0f s", piece.start, piece.end)
                self.refused.append((piece.start, piece.end))

    def _at_once(self, window: Window, **options: Any) -> tuple[Iterable[Any], Any]:
        """Stretches cut in pauses, several at a time; with time stamps, or a stretch would be one segment."""
        from faster_whisper import BatchedInferencePipeline
        from faster_whisper.transcribe import restore_speech_timestamps

        pipeline = BatchedInferencePipeline(self.recogniser)
        asked = at_once() | {"language": self.language, "batch_size": self.batch} | options
        if not window.stretches:
            answer: tuple[Iterable[Any], Any] = pipeline.transcribe(window.samples, **asked)
            return answer
        spans = [span for stretch in window.stretches for span in stretch]
        # Times are rounded in the sound of nothing but speech, so each window's begins at the same odd samples.
        odd = self._spoken % GRAIN
        together = np.concatenate([np.zeros(odd, np.float32), *(window.samples[begin:end] for begin, end in spans)])
        pipeline.last_speech_timestamp = odd / RATE + self._before
        found, info = pipeline.transcribe(together, clip_timestamps=_clips(window, odd), **asked)
        begun = round(window.start * RATE)
        places = [{"start": begun + begin, "end": begun + end} for begin, end in spans]
        places[0]["start"] -= odd
        self._spoken += len(together) - odd
        noted = self._noting(found, len(together) / RATE)
        return _moved(restore_speech_timestamps(noted, places, RATE), -window.start), info

    def _noting(self, found: Iterable[Any], seconds: float) -> Iterator[Any]:
        """The same; when the last of it was said counts for the length of the words that follow in the next window."""
        last = self._before
        for segment in found:
            last = segment.end
            yield segment
        self._before = last - seconds

    def _one_by_one(self, window: Window) -> list[Any]:
        """One stretch after the other, each at rising temperatures until the model is sure. Ends early where it goes
        round in circles: a model that is stuck may also not move on in the sound."""
        raw, _ = self.recogniser.transcribe(window.samples, language=self.language, **_COMMON)
        found: list[Any] = []
        for segment in raw:
            found.append(segment)
            if is_looping(stretches(found)[-1]) or repeated(ours(found, window)) is not None:
                break
        return found


def at_once() -> dict[str, Any]:
    """Options of the first hearing, beside language and batch size."""
    return _COMMON | {"without_timestamps": False, "vad_parameters": dict(VOICE)}


def _clips(window: Window, begin: int) -> list[dict[str, float]]:
    """The stretches, in seconds, in a sound of nothing else from that sample on. The library cuts off what is less
    than a sample."""
    clips, reached = list[dict[str, float]](), begin
    for stretch in window.stretches:
        size = sum(end - begin for begin, end in stretch)
        clips.append({"start": (reached + 0.5) / RATE, "end": (reached + size + 0.5) / RATE})
        reached += size
    return clips


def _moved(raw: Iterable[Any], seconds: float) -> Iterator[Any]:
    """The library's segments, so much later."""
    for segment in raw:
        for each in [segment, *(segment.words or [])]:
            each.start, each.end = each.start + seconds, each.end + seconds
        yield segment


@dataclass(frozen=True)
class Stretch:
    """What the model said of one stretch: the figures are of the whole."""

    text: str
    log_probability: float
    no_speech: float


def stretches(raw: Iterable[Any]) -> list[Stretch]:
    """The library's segments, put together again by the stretch they were recognised in."""
    return [
        Stretch("".join(each.text for each in group), group[0].avg_logprob, group[0].no_speech_prob)
        for group in (list(members) for _, members in groupby(raw, key=lambda segment: segment.seek))
    ]


def is_doubtful(stretch: Stretch) -> bool:
    """Whether the model was unsure of what it heard, or said suspiciously little in many words."""
    unsure = stretch.log_probability < LOG_PROBABILITY_LIMIT
    if unsure and stretch.no_speech > NO_SPEECH_LIMIT:
        return False  # silence taken for speech by the voice detector: `ours` leaves it out
    return unsure or is_looping(stretch)


def is_looping(stretch: Stretch) -> bool:
    """Whether it says the same again and again."""
    return compression(stretch.text) > COMPRESSION_LIMIT


def compression(text: str) -> float:
    """How many times smaller the text becomes when it is packed; repetitions pack well."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def ours(raw: Iterable[Any], window: Window) -> tuple[Segment, ...]:
    """The library's segments as ours, in order, inside the window, none too long to follow."""
    found: list[Segment] = []
    for segment in raw:
        for each in _kept(segment, window.start, found[-1].start if found else window.start, window.end):
            found += shortened(each)
    return tuple(found)


def _kept(segment: Any, offset: float, earliest: float, end: float) -> Iterator[Segment]:
    """The segment, unless it is empty or text invented out of nothing."""
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
def _trouble_in_words(model: SpeechModel) -> Iterator[None]:
    """What the device says when it cannot, as a line that tells which setting helps."""
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
