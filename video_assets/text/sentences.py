"""Whole sentences with their times, from segments that may begin and end within a sentence."""

# ruff: noqa: RUF001  (punctuation of many scripts is what this module is about)
from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from video_assets.language.scripts import is_wide
from video_assets.language.sentence_ends import sentence_ends
from video_assets.text.spoken import Spoken, SpokenSegment

VERSION = "sentences-1"

PAUSE = 2.0
"""Seconds of silence that end a sentence, whatever its punctuation."""
LONGEST_WORDS = 60
"""A longer sentence is cut at the end of a segment, or else after this many words."""
UNPUNCTUATED_WORDS = 40
"""With more words than this for each end of a sentence, a transcript counts as unpunctuated: then its segments end
sentences."""
SHORTEST_UNPUNCTUATED = 12

_SOUND = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|[♪♫][^♪♫]*(?:[♪♫]|$)")
_ASIDE = re.compile(r"^\W*[(（*][^()（）*]*[)）*]\W*$")


@dataclass(frozen=True)
class Sentence:
    """A whole sentence. Times in seconds."""

    start: float
    end: float
    text: str


def sentences(transcript: Spoken) -> tuple[Sentence, ...]:
    """All sentences in order. Sounds in brackets and music are left out."""
    spoken = speech(transcript.segments)
    if not spoken:
        return ()
    text = _Running(spoken)
    cuts = set(sentence_ends(text.text))
    unpunctuated = len(text.text.split()) > UNPUNCTUATED_WORDS * max(1, len(cuts))
    cuts |= set(text.pauses(0.3 if unpunctuated else PAUSE))
    if unpunctuated:
        cuts = set(_merged(text.text, sorted(cuts | set(text.ends)), SHORTEST_UNPUNCTUATED))
    found, begin = [], 0
    for end in sorted(cuts | {len(text.text)}):
        for first, last in _short_enough(text, begin, end):
            piece = text.text[first:last].strip()
            if piece:
                lead = len(text.text[first:last]) - len(text.text[first:last].lstrip())
                found.append(Sentence(text.moment(first + lead), text.moment(last, ending=True), piece))
        begin = end
    return tuple(found)


def speech(segments: Iterable[SpokenSegment]) -> list[Sentence]:
    """The text of each segment without sounds in brackets, and music. Segments that are wholly in parentheses or
    asterisks are sounds too. A segment without a letter or digit left is dropped."""
    found = []
    for segment in segments:
        text = segment.text if _ASIDE.match(segment.text) is None else ""
        text = " ".join(_SOUND.sub(" ", text).split())
        if any(character.isalnum() for character in text):
            found.append(Sentence(segment.start, segment.end, text))
    return found


class _Running:
    """All segments as one text, which can give the second of each of its characters."""

    def __init__(self, segments: Sequence[SpokenSegment]) -> None:
        self.segments = segments
        self.begins: list[int] = []
        self.ends: list[int] = []
        pieces: list[str] = []
        length, last = 0, ""
        for segment in segments:
            piece = segment.text
            if last and not (is_wide(last) and is_wide(piece[0])):
                piece = " " + piece
            self.begins.append(length + len(piece) - len(segment.text))
            length += len(piece)
            self.ends.append(length)
            pieces.append(piece)
            last = piece[-1]
        self.text = "".join(pieces)

    def pauses(self, seconds: float) -> Iterator[int]:
        """The offsets after which there are at least `seconds` of silence."""
        for at in range(len(self.segments) - 1):
            if self.segments[at + 1].start - self.segments[at].end >= seconds:
                yield self.ends[at]

    def moment(self, offset: int, *, ending: bool = False) -> float:
        """The second of the character at `offset`, in proportion to its place in its segment. `ending`: the second at
        which the character before it ends."""
        at = max(0, bisect_right(self.begins, offset - (1 if ending else 0)) - 1)
        segment = self.segments[at]
        share = (offset - self.begins[at]) / max(1, self.ends[at] - self.begins[at])
        moment = segment.start + (segment.end - segment.start) * min(max(share, 0.0), 1.0)
        return round(moment, 3)


def _merged(text: str, cuts: Sequence[int], least: int) -> Iterator[int]:
    """The cuts without those that would make a piece of fewer than `least` words."""
    begin = 0
    for cut in cuts:
        if len(text[begin:cut].split()) >= least:
            yield cut
            begin = cut


def _short_enough(text: _Running, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentence from `begin` to `end`, cut at ends of segments or after LONGEST_WORDS words if it is longer."""
    words = [begin + match.end() for match in re.finditer(r"\S+", text.text[begin:end])]
    while len(words) > LONGEST_WORDS:
        limit = words[LONGEST_WORDS - 1]
        inner = [cut for cut in text.ends[: bisect_right(text.ends, limit)][-20:] if cut > words[LONGEST_WORDS // 3]]
        cut = inner[-1] if inner else limit
        yield begin, cut
        begin, words = cut, [word for word in words if word > cut]
    yield begin, end
