"""The few words shown of a hit, and the second at which they are spoken."""

from __future__ import annotations

import html
from collections.abc import Sequence

OPEN, CLOSE = "\x02", "\x03"
"""Around a matched word in an index's answer; texts hold neither, see `indexable`."""

BEFORE, AFTER = 60, 160
"""Characters shown before and after the first matched word."""
ROOT = 5
"""Words that begin alike count as forms of one."""


def spans(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its markers, and the (start, end) of each marked word in it."""
    text, found, opened, length = [], [], 0, 0
    for character in marked:
        if character == OPEN:
            opened = length
        elif character == CLOSE:
            found.append((opened, length))
        else:
            text.append(character)
            length += 1
    return "".join(text), found


def best_place(text: str, found: Sequence[tuple[int, int]]) -> int:
    """Which matched word to begin with: where most different ones are within reach, closest together."""
    best, place = (0, 0), 0
    for first, (begin, _) in enumerate(found):
        seen: set[str] = set()
        width = 0
        for start, stop in found[first:]:
            if start - begin > AFTER:
                break
            word = text[start:stop].casefold()[:ROOT]
            if word not in seen:
                seen.add(word)
                width = stop - begin
        if (len(seen), -width) > best:
            best, place = (len(seen), -width), first
    return place


def snippet(text: str, found: Sequence[tuple[int, int]], first: int) -> str:
    """HTML: the text around the matched word number `first`, matches in <mark>, all else escaped."""
    centre = found[first][0] if found else 0
    begin = _word_start(text, max(0, centre - BEFORE))
    end = _word_end(text, min(len(text), centre + AFTER))
    parts, at = ["…" if begin else ""], begin
    for start, stop in found:
        if start < begin or stop > end:
            continue
        parts += [html.escape(text[at:start]), "<mark>", html.escape(text[start:stop]), "</mark>"]
        at = stop
    shown = "".join([*parts, html.escape(text[at:end]), "…" if end < len(text) else ""])
    return " ".join(shown.split())


def moment(offset: int, marks: Sequence[tuple[int, float]], start: float) -> float:
    """The second at which the character at `offset` is spoken, between the marks on both sides of it."""
    before = (0, start)
    for mark in marks:
        if mark[0] > offset:
            share = (offset - before[0]) / (mark[0] - before[0])
            return before[1] + share * max(0.0, mark[1] - before[1])
        before = mark
    return before[1]


def _word_start(text: str, at: int) -> int:
    """The beginning of a word at or after `at`, if one is near."""
    if at == 0:
        return 0
    space = text.find(" ", at, at + BEFORE // 2)
    return space + 1 if space >= 0 else at


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", at - BEFORE // 2, at + 1)
    return space if space > 0 else at
