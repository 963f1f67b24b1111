"""Cuts a transcript, at the ends of sentences, into chunks that a language model is given one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from video_assets.text.llm.tokens import count_tokens

CHUNK_TOKENS = 8_000


@dataclass(frozen=True)
class Line:
    """A sentence as the language model gets it, with the number by which the model cites it."""

    number: int
    """The sentence's number in the transcript, from 0. The pieces of a sentence that was cut have the same number."""
    text: str

    @property
    def written(self) -> str:
        return f"[{self.number}] {self.text}"

    @property
    def tokens(self) -> int:
        return count_tokens(self.written) + 1  # the end of the line


@dataclass(frozen=True)
class Chunk:
    """Consecutive sentences."""

    lines: tuple[Line, ...]

    @property
    def tokens(self) -> int:
        return sum(line.tokens for line in self.lines)


def chunks(texts: Sequence[str], limit: int = CHUNK_TOKENS) -> list[Chunk]:
    """The sentences in order, in chunks of at most `limit` tokens, each as full as possible. A sentence that is longer
    than the limit is cut, at spaces if it has any. Raises ValueError if `limit` is below 32."""
    if limit < 32:
        raise ValueError(f"a chunk of {limit} tokens holds no sentence")
    found: list[Chunk] = []
    held: list[Line] = []
    filled = 0
    for line in _lines(texts, limit):
        size = line.tokens
        if held and filled + size > limit:
            found.append(Chunk(tuple(held)))
            held, filled = [], 0
        held.append(line)
        filled += size
    return [*found, Chunk(tuple(held))] if held else found


def _lines(texts: Sequence[str], limit: int) -> Iterator[Line]:
    for number, text in enumerate(texts):
        for piece in _pieces(number, text, limit):
            yield Line(number, piece)


def _pieces(number: int, text: str, limit: int) -> Iterator[str]:
    """The text, halved until each piece fits into the limit as a line."""
    if len(text) < 2 or Line(number, text).tokens <= limit:
        yield text
        return
    middle = len(text) // 2
    space = text.rfind(" ", 1, middle + 1)
    cut = space if space > 0 else middle
    yield from _pieces(number, text[:cut], limit)
    yield from _pieces(number, text[cut:], limit)
