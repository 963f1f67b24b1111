"""Transcripts from an OpenAI-compatible server.

The sound is sent in chunks that are cut at silence. Times in the answers are checked and moved to their place in the
video. Answers are stored, so that no chunk is paid for twice.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from video_assets.language.names import code_of
from video_assets.speech.endpoint import Detail, Endpoint, NoTimes
from video_assets.speech.language import agreed
from video_assets.speech.shorten import SENTENCE_END, shortened
from video_assets.speech.sound import Span, Window, open_wav, stretch_cut
from video_assets.speech.transcript import Segment, Transcript, Word, covered_seconds
from video_assets.speech.verify import repeated
from video_assets.speech.voice import RATE, Samples

VERSION = "remote-1"

CHUNK_SECONDS = 300.0
TEXT_CHUNK_SECONDS = 30.0
"""Length of a chunk if the server gives no times: the times are estimated within the chunk, so it must be short."""
AT_ONCE = 4
LEAST_VOICE_SECONDS = 0.2
"""A chunk with less speech than this is not sent."""
SECOND_TRY_TEMPERATURE = 0.4
SLACK = 1.0
"""If a time lies further outside its chunk than this (seconds), all times of the answer are ignored."""
_LOG_PROBABILITY_LIMIT, _NO_SPEECH_LIMIT = -1.0, 0.6
_SENTENCES = re.compile(f'[^{SENTENCE_END}]+[{SENTENCE_END}"\u201d\u2019»)]*\\s*')
_LONGEST_PIECE = 120
"""Characters."""

Ask = Callable[[Mapping[str, Any], Callable[[], Mapping[str, Any]]], tuple[Mapping[str, Any], bool]]
"""(question, how to ask it) → (answer, whether it was stored already). Stores answers, so that no question is asked
twice."""

if TYPE_CHECKING:
    from video_assets.speech.service import AudioService

_log = logging.getLogger(__name__)


def transcribe(
    audio: Path,
    endpoint: Endpoint,
    once: Ask,
    *,
    on_progress: Callable[[float], None] | None = None,
    service: AudioService | None = None,
) -> Transcript:
    """The transcript of a 16 kHz mono 16-bit WAV file. `on_progress` is called with the fraction done.

    Raises PermanentError or TransientError that says what is wrong with the server. `once` has stored the answers so
    far, so that the next try asks only for the rest.
    """
    if service is None:
        from video_assets.speech.service import AudioService

        service = AudioService(endpoint)
    try:
        return _transcribed(audio, service, once, "times", on_progress)
    except NoTimes as error:
        _log.info("%s gives no times: %s", endpoint.host, error)
        return _transcribed(audio, service, once, "text", on_progress)


def _transcribed(
    audio: Path, service: AudioService, once: Ask, detail: Detail, on_progress: Callable[[float], None] | None
) -> Transcript:
    endpoint = service.endpoint
    segments: list[Segment] = []
    refused: list[Span] = []
    votes: list[tuple[float, dict[str, float]]] = []
    voice = 0.0
    with open_wav(audio) as sound:
        chunks = sound.windows(*_sizes(endpoint, detail))
        for chunk, answer in _answers(chunks, partial(_transcribe_chunk, service, once, detail)):
            if answer.segments is None:
                refused.append((chunk.start, chunk.end))
            else:
                segments += answer.segments
            voice += answer.voice_seconds
            if answer.language:
                votes.append((answer.voice_seconds, {answer.language: 1.0}))
            if on_progress is not None:
                on_progress(min(1.0, chunk.end / sound.seconds))
        total = sound.seconds
    found = tuple(sorted(segments, key=lambda segment: segment.start))
    language, share = agreed(votes) or (None, None)
    return Transcript(
        segments=found,
        source="openai",
        duration_seconds=total,
        speech_seconds=covered_seconds(found),
        language=endpoint.language or language,
        language_probability=None if endpoint.language else share,
        model_info={
            "recogniser": VERSION,
            "model": endpoint.model,
            "server": endpoint.base_url,
            "times": detail == "times",
            "voice_seconds": round(voice, 3),
            "refused": [[round(start, 3), round(end, 3)] for start, end in refused],
        },
    )


def _sizes(endpoint: Endpoint, detail: Detail) -> tuple[float, Callable[[Samples], int] | None]:
    """How many seconds a chunk may have, and the function that decides where it is cut (None: at a quiet moment)."""
    longest = min(CHUNK_SECONDS, (endpoint.max_bytes - 1024) / (2 * RATE))
    if detail == "times":
        return longest, None
    longest = min(longest, TEXT_CHUNK_SECONDS)
    return longest + 15.0 if longest == TEXT_CHUNK_SECONDS else longest, partial(stretch_cut, longest=longest)


@dataclass(frozen=True)
class _Answer:
    """What is said in a chunk."""

    segments: tuple[Segment, ...] | None
    """None: refused, since the server only repeats itself."""
    language: str | None
    voice_seconds: float


def _answers(chunks: Iterator[Window], hear: Callable[[Window], _Answer]) -> Iterator[tuple[Window, _Answer]]:
    """Each chunk with its answer, in the chunks' order; up to `AT_ONCE` are asked for at the same time.

    After a failure no further chunk is sent, but the calls under way are waited for: their answers are paid for, and
    are stored.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="transcription") as pool:
        pending: list[tuple[Window, Future[_Answer]]] = []
        while True:
            pending += [(chunk, pool.submit(hear, chunk)) for chunk in islice(chunks, AT_ONCE - len(pending))]
            if not pending:
                return
            chunk, future = pending.pop(0)
            try:
                yield chunk, future.result()
            except BaseException:
                for _, other in pending:
                    other.cancel()
                raise


def _transcribe_chunk(service: AudioService, once: Ask, detail: Detail, chunk: Window) -> _Answer:
    """Asks for one chunk. If the answer repeats itself, asks once more at a higher temperature."""
    voice = chunk.voice
    seconds = sum(end - start for start, end in voice)
    if seconds < LEAST_VOICE_SECONDS:
        return _Answer((), None, 0.0)
    wav = as_wav(chunk.samples)
    language = None
    for temperature in (0.0, SECOND_TRY_TEMPERATURE):
        question = _question(service.endpoint, wav, detail, temperature)
        answer, _ = once(question, partial(service.hear, wav, detail, temperature))
        language = code_of(answer.get("language"))
        segments = to_segments(answer, chunk.seconds, voice)
        if repeated(segments) is None:
            return _Answer(tuple(shifted(segments, chunk.start)), language, seconds)
        _log.warning("the server repeats itself between %.0f and %.0f s", chunk.start, chunk.end)
    return _Answer(None, language, seconds)


def _question(endpoint: Endpoint, wav: bytes, detail: Detail, temperature: float) -> dict[str, Any]:
    """Everything that decides the answer; it is stored under a hash of this."""
    return {
        "asked": "transcription",
        "server": endpoint.base_url,
        "model": endpoint.model,
        "detail": detail,
        "language": endpoint.language,
        "temperature": temperature,
        "sha256": hashlib.sha256(wav).hexdigest(),
    }


def as_wav(samples: Samples) -> bytes:
    """16 kHz mono 16-bit WAV; the same samples give the same bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes())
    return file.getvalue()


def to_segments(answer: Mapping[str, Any], length: float, voice: Sequence[Span]) -> tuple[Segment, ...]:
    """An answer of `AudioService.hear` as segments in order and inside a chunk of `length` seconds.

    If some times lie outside the chunk (they may have another unit, or count from another start), all are ignored. The
    text is then spread over `voice`, the spans in which somebody speaks, as is text without times. A segment where
    nobody speaks was invented by the model, and is left out.
    """
    raw = sorted((each for each in answer.get("segments", ()) if each["text"]), key=lambda each: each["start"])
    words = sorted(answer.get("words", ()), key=lambda each: each["start"])
    if not raw and words and _believable(words, length):
        raw = [{"start": words[0]["start"], "end": words[-1]["end"], "text": answer.get("text", "")}]
    if not raw or not _believable(raw, length):
        text = answer.get("text") or " ".join(each["text"] for each in raw)
        return spread(text, voice)
    if not _believable(words, length):
        words = []
    found: list[Segment] = []
    for at, each in enumerate(raw):
        start = min(max(each["start"], found[-1].start if found else 0.0), length)
        end = min(max(each["end"], start), length)
        following = raw[at + 1]["start"] if at + 1 < len(raw) else length + SLACK
        own = tuple(_words(words, each["start"], following, start, length))
        unsure = each.get("avg_logprob", 0.0) < _LOG_PROBABILITY_LIMIT
        invented = each.get("no_speech_prob", 0.0) > _NO_SPEECH_LIMIT
        if (unsure and invented) or not _overlaps(start, end, voice):
            continue
        end = max(end, *(word.end for word in own)) if own else end
        found += shortened(Segment(start=start, end=end, text=each["text"], words=own or None))
    return tuple(found)


def _believable(timed: Iterable[Mapping[str, Any]], length: float) -> bool:
    return all(-SLACK <= each["start"] <= each["end"] + SLACK <= length + 2 * SLACK for each in timed)


def _words(
    words: Sequence[Mapping[str, Any]], begins: float, ends: float, start: float, length: float
) -> Iterator[Word]:
    """The words whose middle lies in [begins, ends), in order and inside the chunk."""
    reached = start
    for word in words:
        if begins <= (word["start"] + word["end"]) / 2 < ends:
            reached = min(max(word["start"], reached), length)
            yield Word(start=reached, end=min(max(word["end"], reached), length), text=word["text"])


def _overlaps(start: float, end: float, voice: Sequence[Span]) -> bool:
    return any(start <= last and end >= first for first, last in voice)


def spread(text: str, voice: Sequence[Span]) -> tuple[Segment, ...]:
    """The text in sentences. Each gets a part of the seconds in which somebody speaks, in proportion to its length."""
    pieces = [piece for sentence in _SENTENCES.findall(text) or [text] for piece in _pieces(sentence.strip())]
    total, seconds = sum(map(len, pieces)), sum(end - start for start, end in voice)
    found, passed = [], 0
    for piece in pieces:
        start = _moment(voice, seconds * passed / total, begins=True)
        passed += len(piece)
        end = _moment(voice, seconds * passed / total, begins=False)
        found.append(Segment(start=start, end=max(start, end), text=piece))
    return tuple(found)


def _pieces(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST_PIECE:
        cut = sentence.rfind(" ", _LONGEST_PIECE // 2, _LONGEST_PIECE)
        cut = cut if cut > 0 else _LONGEST_PIECE
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def _moment(voice: Sequence[Span], spoken: float, *, begins: bool) -> float:
    """The time by which `spoken` seconds of speech have passed. Between two spans that is the start of the later one if
    `begins`, else the end of the earlier one."""
    for start, end in voice:
        if spoken < end - start or (not begins and spoken <= end - start + 1e-6):
            return start + min(spoken, end - start)
        spoken -= end - start
    return voice[-1][1]


def shifted(segments: Iterable[Segment], seconds: float) -> Iterator[Segment]:
    """The segments and their words, `seconds` later."""
    for each in segments:
        words = each.words and tuple(
            word.model_copy(update={"start": round(word.start + seconds, 3), "end": round(word.end + seconds, 3)})
            for word in each.words
        )
        start, end = round(each.start + seconds, 3), round(each.end + seconds, 3)
        yield each.model_copy(update={"start": start, "end": end, "words": words})
