"""A transcript in pieces that a language model takes at once, cut at the ends of sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from video_assets.text.llm.tokens import count_tokens

CHUNK_TOKENS = 8_000


@dataclass(frozen=True)
class Line:
    """A sentence as a language model is given it, with the number by which it is to be cited."""

    number: int
    """Its place among the transcript's sentences, from 0. Pieces of one that had to be cut share it."""
    text: str

    @property
    def written(self) -> str:
        return f"[{self.number}] {self.text}"

    @property
    def tokens(self) -> int:
        return count_tokens(self.written) + 1  # and the line's end


@dataclass(frozen=True)
class Chunk:
    """Sentences that follow each other."""

    lines: tuple[Line, ...]

    @property
    def tokens(self) -> int:
        return sum(line.tokens for line in self.lines)


def chunks(texts: Sequence[str], limit: int = CHUNK_TOKENS) -> list[Chunk]:
    """The sentences in chunks of at most `limit` tokens, each as full as it gets. Nothing is lost, the order is
    kept; a sentence that alone is over the limit is cut, at spaces where it has any. `limit`: at least 32."""
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
    """The text, halved until each piece is a line within the limit."""
    if len(text) < 2 or Line(number, text).tokens <= limit:
        yield text
        return
    middle = len(text) // 2
    space = text.rfind(" ", 1, middle + 1)
    cut = space if space > 0 else middle
    yield from _pieces(number, text[:cut], limit)
    yield from _pieces(number, text[cut:], limit)
