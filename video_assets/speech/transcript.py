"""The transcript (what is said, and when), and its files: JSON, WebVTT and plain text."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from video_assets.language.scripts import is_wide

VERSION = "transcript-2"
"""Raise it whenever the same speech would give other bytes in transcript.json, .vtt or .txt."""

LINE_COLUMNS = 42
CUE_LINES = 2
PARAGRAPH_PAUSE = 2.5
"""Silence (seconds) after which the plain text begins a new paragraph."""

Source = Literal["captions", "embedded captions", "whisper", "openai", "none"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda value: round(value, 3))]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(lambda value: round(value, 4))]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Word(_Record):
    """One word, as spoken."""

    start: Seconds
    end: Seconds
    text: str
    probability: Probability | None = None


class Segment(_Record):
    """A part of the speech: a caption, or about a sentence of recognised speech."""

    start: Seconds
    end: Seconds
    text: str = Field(min_length=1)
    """One line of clean text."""
    words: tuple[Word, ...] | None = None
    speaker: str | None = None
    """Reserved: speakers are not recognised yet."""


class Heading(_Record):
    """A chapter embedded in the media file. Times in seconds."""

    start: Seconds
    end: Seconds
    title: str


class Transcript(_Record):
    """Everything that is said in a video. Segments are ordered by their starts; times are seconds from its start."""

    segments: tuple[Segment, ...] = ()
    language: str | None = None
    """ISO 639-1 code, if known."""
    language_probability: Probability | None = None
    source: Source
    model_info: dict[str, Any] = Field(default_factory=dict)
    duration_seconds: Seconds
    """How long the video is."""
    speech_seconds: Seconds = 0.0
    """Seconds that the segments cover."""
    headings: tuple[Heading, ...] | None = None
    """The chapters embedded in the media file, unchanged."""


def empty(duration: float) -> Transcript:
    """The transcript of a video without speech."""
    return Transcript(source="none", duration_seconds=max(duration, 0.0))


def covered_seconds(segments: Iterable[Segment]) -> float:
    """Seconds that the segments cover; overlaps count once."""
    total = reached = 0.0
    for segment in sorted(segments, key=lambda each: each.start):
        total += max(0.0, segment.end - max(segment.start, reached))
        reached = max(reached, segment.end)
    return total


def to_json(transcript: Transcript) -> bytes:
    """transcript.json. The same transcript always gives the same bytes. It is written segment by segment: ten hours of
    words as one tree would take more memory than their recognition."""
    head = transcript.model_dump(mode="json", exclude_none=True, exclude={"segments"}) | {"segments": []}
    text = _json(head)
    if transcript.segments:
        pieces = (_json(each.model_dump(mode="json", exclude_none=True)) for each in transcript.segments)
        segments = ",\n  ".join(piece.replace("\n", "\n  ") for piece in pieces)
        before, name, after = text.rpartition('"segments": [')  # the last one: the keys after it hold no free text
        text = f"{before}{name}\n  {segments}\n {after}"
    return f"{text}\n".encode()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)


def to_text(transcript: Transcript) -> str:
    """The transcript as plain text. A long silence begins a new paragraph. Empty if nothing is said."""
    pieces: list[str] = []
    reached = 0.0
    for segment in transcript.segments:
        if pieces and segment.start - reached > PARAGRAPH_PAUSE:
            pieces.append("\n\n")
        elif pieces and not (is_wide(pieces[-1][-1]) and is_wide(segment.text[0])):
            pieces.append(" ")  # not in scripts that are written without spaces
        pieces.append(segment.text)
        reached = max(reached, segment.end)
    return "".join([*pieces, "\n"]) if pieces else ""


def to_vtt(transcript: Transcript) -> str:
    """The transcript as WebVTT: cues of at most two lines of 42 columns, in order, with escaped text."""
    blocks = ["WEBVTT\n"]
    for start, end, lines in _cues(transcript.segments):
        text = "\n".join(_escaped(line) for line in lines)
        blocks.append(f"{_timestamp(start)} --> {_timestamp(max(end, start + 0.001))}\n{text}\n")
    return "\n".join(blocks)


def _cues(segments: Iterable[Segment]) -> Iterator[tuple[float, float, list[str]]]:
    for segment in segments:
        lines = wrapped(segment.text, LINE_COLUMNS)
        groups = [lines[at : at + CUE_LINES] for at in range(0, len(lines), CUE_LINES)]
        if len(groups) == 1:
            yield segment.start, segment.end, groups[0]
            continue
        lengths = [sum(len(line) for line in group) for group in groups]
        times = _cut_times(segment, lengths)
        for at, group in enumerate(groups):
            yield times[at], times[at + 1], group


def _cut_times(segment: Segment, lengths: list[int]) -> list[float]:
    """When each piece of the segment's text begins, then the segment's end: by the times of its words if they are
    known, else in proportion to `lengths`."""
    total, times, before = sum(lengths) or 1, [segment.start], 0
    words = segment.words or ()
    letters = sum(len(word.text.strip()) for word in words)
    for length in lengths[:-1]:
        before += length
        share = before / total
        moment = segment.start + (segment.end - segment.start) * share
        passed = 0
        for word in words:
            if letters and passed >= share * letters - 1:
                moment = word.start
                break
            passed += len(word.text.strip())
        times.append(min(max(moment, times[-1]), segment.end))
    return [*times, segment.end]


def wrapped(text: str, columns: int) -> list[str]:
    """The text in lines of at most `columns` (wide characters take two), broken at spaces if there are any. Only the
    spaces at line breaks are dropped."""
    lines, line, width = [], "", 0
    for word in text.split():
        word_width = columns_of(word)
        if line and width + 1 + word_width <= columns:
            line, width = f"{line} {word}", width + 1 + word_width
            continue
        if line:
            lines.append(line)
        line, width = "", 0
        for character in word:
            size = _columns(character)
            if width + size > columns:
                lines.append(line)
                line, width = "", 0
            line, width = line + character, width + size
    return [*lines, line] if line else lines


def columns_of(text: str) -> int:
    """The text's width in columns."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if is_wide(character) else 1


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02d}:{milliseconds // 60_000 % 60:02d}"
        f":{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"
    )
