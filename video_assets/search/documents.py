"""Makes what goes into the index: passages cut at the ends of sentences, and the digest of a document."""

# ruff: noqa: RUF001  (punctuation of many scripts is what this module is about)
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from video_assets.language.scripts import is_wide
from video_assets.search.base import ABOUT, Document, Passage

VERSION = "search-2"

TARGET_SECONDS = 30.0
LONGEST = 1.5
"""A passage without an end of a sentence is cut at this many times the target."""
MOST_CHARACTERS = 4_000
"""The most characters of a passage: two minutes of the fastest speech. Only hostile captions have more."""
NEAR = 60
"""Within this many characters the next word of the transcript is looked for."""
CLOSE_ENOUGH = 0.4
"""Seconds by which a word's time may differ from the one interpolated from its place in the text."""

# Fewer marks than in `language.sentence_ends`. One more would change passages, and so would need a new `VERSION`.
_SENTENCE_END = re.compile(r"""[.!?…。！？｡؟।]["'”’»)\]」』]*$""")


class Timed(Protocol):
    """A piece of speech: best a sentence, else a caption or a segment. Times in seconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Spoken:
    """The simplest `Timed`."""

    start: float
    end: float
    text: str


def passages(
    spoken: Iterable[Timed], target_seconds: float = TARGET_SECONDS, *, words: Iterable[Timed] = ()
) -> tuple[Passage, ...]:
    """The pieces as passages of about `target_seconds`, cut at ends of sentences if there are any.

    Every word of the pieces is in exactly one passage, in order. `words`: the single words with their times, in order,
    if they are known. Without them, a word's time is interpolated from its place in its piece.
    """
    found: list[Passage] = []
    pieces: list[Spoken] = []
    for piece in _short_enough(spoken, target_seconds * LONGEST):
        if pieces and _over(pieces, piece, target_seconds):
            found.append(_passage(len(found), pieces))
            pieces = []
        pieces.append(piece)
        if _SENTENCE_END.search(piece.text) and piece.end - pieces[0].start >= target_seconds * 0.8:
            found.append(_passage(len(found), pieces))
            pieces = []
    if pieces:
        found.append(_passage(len(found), pieces))
    return _with_word_times(found, list(words))


def about(document: Document) -> Passage:
    """The description of the whole video (summary, description, tags, chapters; not the title) as passage `ABOUT`."""
    parts = [document.summary, document.description or "", ", ".join(document.tags)]
    parts += [title for _, title in document.chapters]
    return Passage(ABOUT, 0.0, document.duration, "\n".join(part for part in parts if part))


def digest(document: Document) -> str:
    """SHA-256 of everything in the document, from which one knows whether the index holds exactly this document."""
    fields = _canonical({**vars(document), "passages": ()})
    fields["passages"] = [_canonical_passage(passage) for passage in document.passages]
    value = json.dumps(fields, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: Any) -> Any:
    """The value with numbers as floats and sequences as lists: a document read from JSON has the same digest."""
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    return float(value) if isinstance(value, int | float) else value


def _canonical_passage(passage: Passage) -> dict[str, Any]:
    """The same for a passage, written out for speed: there are many passages, each with many marks."""
    marks = [[float(offset), float(second)] for offset, second in passage.marks]
    start, end = float(passage.start), float(passage.end)
    return {"number": float(passage.number), "start": start, "end": end, "text": passage.text, "marks": marks}


def _over(pieces: list[Spoken], piece: Spoken, target: float) -> bool:
    """Whether the passage that consists of `pieces` must end before this piece."""
    longest = target * LONGEST if _SENTENCE_END.search(pieces[-1].text) is None else target * 1.2
    characters = sum(len(each.text) + 1 for each in pieces)
    return piece.end - pieces[0].start > longest or characters + len(piece.text) > MOST_CHARACTERS


def _passage(number: int, pieces: list[Spoken]) -> Passage:
    text, marks = "", []
    for piece in pieces:
        if text and not (is_wide(text[-1]) and is_wide(piece.text[0])):
            text += " "
        marks.append((len(text), piece.start))
        text += piece.text
    end = max(piece.end for piece in pieces)
    # The last mark is the end of the text, so that times can be interpolated within the last piece too.
    return Passage(number, pieces[0].start, end, text, (*marks, (len(text), end)))


def _with_word_times(found: list[Passage], words: list[Timed]) -> tuple[Passage, ...]:
    """The passages, with a mark for each word whose time differs from the interpolated one."""
    at, timed = 0, []
    for passage in found:
        marks, place = dict(passage.marks), 0
        while at < len(words) and words[at].start < passage.end:
            text = words[at].text.strip()
            # A word that is not found near was left out of the sentences, as sounds are.
            offset = passage.text.find(text, place, place + len(text) + NEAR) if text else -1
            if offset >= 0 and words[at].start >= passage.start:
                place = offset + len(text)
                if abs(moment(offset, sorted(marks.items()), passage.start) - words[at].start) > CLOSE_ENOUGH:
                    marks[offset] = words[at].start
            at += 1
        timed.append(replace(passage, marks=_rising(marks)))
    return tuple(timed)


def moment(offset: int, marks: Sequence[tuple[int, float]], start: float) -> float:
    """The second at which the character at `offset` is spoken, interpolated between the marks around it."""
    before = (0, start)
    for mark in marks:
        if mark[0] > offset:
            share = (offset - before[0]) / (mark[0] - before[0])
            return before[1] + share * max(0.0, mark[1] - before[1])
        before = mark
    return before[1]


def _rising(marks: dict[int, float]) -> tuple[tuple[int, float], ...]:
    """The marks in the order of the text, without those whose time is before that of an earlier mark."""
    rising: list[tuple[int, float]] = []
    for offset, second in sorted(marks.items()):
        if not rising or second >= rising[-1][1]:
            rising.append((offset, second))
    return tuple(rising)


def _short_enough(spoken: Iterable[Timed], longest: float) -> Iterator[Spoken]:
    """The pieces. Those too long for a passage are cut between words; the parts' times are interpolated."""
    for piece in spoken:
        text = " ".join(piece.text.split())
        if not text:
            continue
        seconds = max(0.0, piece.end - piece.start)
        parts = max(1, round(seconds / longest + 0.499), -(-len(text) // (MOST_CHARACTERS // 2)))
        if parts == 1:
            yield Spoken(piece.start, piece.end, text)
            continue
        done = 0
        for part in _split(text, -(-len(text) // parts)):
            start = piece.start + seconds * done / len(text)
            done += len(part)
            yield Spoken(start, piece.start + seconds * min(1.0, done / len(text)), part.strip())


def _split(text: str, size: int) -> Iterator[str]:
    """The text in parts of about `size` characters, cut after a space where one is near."""
    while len(text) > size:
        cut = text.rfind(" ", size // 2, size + 1) + 1 or size
        yield text[:cut]
        text = text[cut:]
    if text.strip():
        yield text
