"""Reads the captions that came with a video (WebVTT, SubRip) as hostile text, and repairs what is wrong with them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from video_assets.errors import PermanentError, one_line
from video_assets.language.names import code_of
from video_assets.speech.clean import clean_text
from video_assets.speech.encoding import decode
from video_assets.speech.transcript import Segment, Source, Transcript, covered_seconds

VERSION = "captions-3"

MAX_BYTES = 5 * 2**20
MAX_CUES = 50_000
MAX_CUE_CHARACTERS = 5_000
"""The text of a cue is cut here. No screen shows more, and megabytes in one cue keep every reader busy for minutes."""
ROLLING_SHARE = 0.25
"""If at least this share of the cues begins with what the cue before ended with, the captions are rolling ones."""
ROLLING_GAP = 0.5
READING_SPEED = 15.0
"""Characters a second, for cues that do not say when they end."""

_TIME = r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2})[.,](\d{1,6})"
_TIMING = re.compile(rf"^\s*{_TIME}\s*--+>\s*{_TIME}(?:\s.*)?$")
_NUMBER = re.compile(r"^\s*\d{1,9}\s*$")
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|</>|<!--[^<>]*-->")
_ASS = re.compile(r"\{\\[^{}]*\}")
_LANGUAGE = re.compile(r"^Language:\s*([A-Za-z]{2,3})(?:-[A-Za-z0-9-]+)?\s*$", re.MULTILINE)
_LANGUAGE_IN_NAME = re.compile(r"\.([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)*\.(?:vtt|srt)$", re.IGNORECASE)
_SPEAKER_CHANGE = re.compile(r"^\s*>>+\s*", re.MULTILINE)


@dataclass(frozen=True)
class Cue:
    """One cue of the file: its times in seconds, and its lines without markup."""

    start: float
    end: float
    lines: tuple[str, ...]


def read_captions(data: bytes, name: str, duration: float, *, source: Source = "captions") -> Transcript:
    """The transcript from a caption file.

    `name`: gives the format and, as in `talk.de.vtt`, the language if the file itself does not. `duration`: the video's
    length in seconds; later cues are left out. Raises PermanentError with one line that says what is wrong.
    """
    shown = one_line(name, 80)
    if len(data) > MAX_BYTES:
        raise PermanentError(f"captions {shown} are too large: {len(data)} bytes, at most {MAX_BYTES}")
    text = decode(data)
    cues = list(parse(text, srt=name.lower().endswith(".srt")))
    if len(cues) > MAX_CUES:
        raise PermanentError(f"captions {shown} have too many cues: at most {MAX_CUES}")
    if not cues and not text.lstrip().startswith("WEBVTT"):
        raise PermanentError(f"captions {shown} hold no cues: give a WebVTT (.vtt) or SubRip (.srt) file")
    segments = to_segments(cues, duration)
    if cues and not segments and any(cue.lines for cue in cues):
        raise PermanentError(f"captions {shown} begin after the video's end, {duration:.1f} s: give this video's own")
    said = _LANGUAGE.search(text[: text.find("-->")]) if "-->" in text else None
    named = _LANGUAGE_IN_NAME.search(name)
    return Transcript(
        segments=segments,
        language=code_of(said[1]) if said else code_of(named[1]) if named else None,
        source=source,
        model_info={"reader": VERSION, "cues": len(cues)},
        duration_seconds=duration,
        speech_seconds=covered_seconds(segments),
    )


def parse(text: str, *, srt: bool) -> Iterator[Cue]:
    """Every cue in the order of the file. Everything else (notes, styles, regions) is skipped.

    A cue ends at the next empty line. A line of spaces does not end it, since rolling captions have such lines. Stops
    after MAX_CUES + 1 cues, so that the caller sees that there are too many.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found, at = 0, 0
    while at < len(lines) and found <= MAX_CUES:
        timing = _TIMING.match(lines[at]) if "->" in lines[at] else None
        at += 1
        if timing is None:
            continue
        first = at
        while at < len(lines) and lines[at] and not _begins_cue(lines, at):
            at += 1
        found += 1
        groups = timing.groups()
        yield Cue(
            _seconds(groups[:4]), _seconds(groups[4:]), _plain("\n".join(lines[first:at])[:MAX_CUE_CHARACTERS], srt=srt)
        )


def _begins_cue(lines: Sequence[str], at: int) -> bool:
    """Whether a cue begins here although the empty line before it is missing."""
    if "->" in lines[at]:
        return _TIMING.match(lines[at]) is not None
    following = lines[at + 1] if at + 1 < len(lines) else ""
    return "->" in following and _NUMBER.match(lines[at]) is not None and _TIMING.match(following) is not None


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = groups
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def _plain(text: str, *, srt: bool) -> tuple[str, ...]:
    text = _TAG.sub("", _HIDDEN.sub("", text))
    if srt:
        text = _ASS.sub("", text).replace("\\N", "\n").replace("\\h", " ")
    text = html.unescape(_SPEAKER_CHANGE.sub("", text))
    return tuple(line for line in map(clean_text, text.split("\n")) if line)


def to_segments(cues: Sequence[Cue], duration: float) -> tuple[Segment, ...]:
    """The cues as segments: in order, inside the duration, without the repetitions of rolling captions."""
    ordered = sorted((cue for cue in cues if cue.lines and cue.start < duration), key=lambda cue: cue.start)
    ordered = list(dict.fromkeys(ordered))
    if is_rolling(ordered):
        ordered = unrolled(ordered)
    segments = []
    for at, cue in enumerate(ordered):
        text = " ".join(cue.lines)
        end = cue.end if cue.end > cue.start else cue.start + max(1.0, len(text) / READING_SPEED)
        following = next((later.start for later in ordered[at + 1 : at + 9] if later.start > cue.start), duration)
        segments.append(Segment(start=cue.start, end=min(end, following, duration), text=text))
    return tuple(segments)


def is_rolling(cues: Sequence[Cue]) -> bool:
    """Whether these are rolling captions: each cue repeats the last line of the cue before."""
    repeats = sum(1 for before, cue in pairwise(cues) if _touches(before, cue) and _repeated_words(before, cue) > 0)
    return repeats >= 3 and repeats >= ROLLING_SHARE * len(cues)


def unrolled(cues: Sequence[Cue]) -> list[Cue]:
    """Rolling captions with each word only once, when it first appears. A cue with no new words only extends the one
    before."""
    result: list[Cue] = []
    before: Cue | None = None
    for cue in cues:
        repeats = _repeated_words(before, cue) if before is not None and _touches(before, cue) else 0
        new_words = " ".join(cue.lines).split()[repeats:]
        if new_words:
            result.append(replace(cue, lines=(" ".join(new_words),)))
        elif result:
            result[-1] = replace(result[-1], end=max(result[-1].end, cue.end))
        before = cue
    return result


def _touches(before: Cue, cue: Cue) -> bool:
    return cue.start <= before.end + ROLLING_GAP


def _repeated_words(before: Cue, cue: Cue) -> int:
    """How many words at the cue's start repeat the last words of the cue before. Fewer than the cue's first line, or
    than all of the cue before, count as none: a single word in common can be chance."""
    shown, words = " ".join(before.lines).split(), " ".join(cue.lines).split()
    least = min(len(cue.lines[0].split()), len(shown))
    for size in range(min(len(shown), len(words)), max(least, 1) - 1, -1):
        if shown[-size:] == words[:size]:
            return size
    return 0
