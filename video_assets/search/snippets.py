"""The snippet of a hit, and the place in the text with which it begins."""

from __future__ import annotations

import html
from collections.abc import Sequence

from video_assets.search import words
from video_assets.search.matching import Matcher

BEFORE, AFTER = 60, 160
"""Characters shown before and after the first matched word."""

Span = tuple[int, int]
"""(start, end) of something in a text, in characters."""


def place(matcher: Matcher, text: str, language: str | None) -> tuple[list[Span], int]:
    """The spans of the text that match a term, and the index of the one with which the snippet begins."""
    found = words.found(text)
    matches = matcher.matches([each.word for each in found], language)
    if not matches:
        return [], 0
    begin = found[matches[matcher.together(matches).first].at].start
    spans = _merged([(found[match.at].start, found[match.at + match.size - 1].end) for match in matches])
    return spans, next(at for at, span in enumerate(spans) if span[1] > begin)


def snippet(text: str, found: Sequence[Span], first: int) -> str:
    """HTML: the text around the span `found[first]`. Matches are in <mark>, everything else is escaped."""
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


def _merged(spans: Sequence[Span]) -> list[Span]:
    """The spans, with overlapping and touching ones merged: consecutive characters of a script without spaces."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _word_start(text: str, at: int) -> int:
    """The beginning of the next word after `at`, if one is near; else `at`."""
    if at == 0:
        return 0
    space = text.find(" ", at, at + BEFORE // 2)
    return space + 1 if space >= 0 else at


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", at - BEFORE // 2, at + 1)
    return space if space > 0 else at
