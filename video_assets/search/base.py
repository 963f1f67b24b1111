"""What a search index is to everybody else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple, Protocol

ABOUT = -1
"""The number of the passage that stands for a video as a whole."""


@dataclass(frozen=True)
class Passage:
    """About half a minute of speech, cut at sentence ends. Times in seconds."""

    number: int
    start: float
    end: float
    text: str
    marks: tuple[tuple[int, float], ...] = ()
    """(character offset in the text, second at which it is spoken), rising: hits start where they are said."""


@dataclass(frozen=True)
class Document:
    """Everything about one video that can be found."""

    video_id: int
    title: str
    description: str | None = None
    summary: str = ""
    tags: tuple[str, ...] = ()
    language: str | None = None
    duration: float = 0.0
    """Seconds."""
    user_id: int | None = None
    created_at: datetime | None = None
    passages: tuple[Passage, ...] = ()
    chapters: tuple[tuple[float, str], ...] = ()
    """(start in seconds, title)."""


@dataclass(frozen=True)
class Hit:
    """One place in one video."""

    video_id: int
    title: str
    start: float
    """Second at which the words found are spoken; 0 where the video itself was found, by title or summary."""
    end: float
    snippet: str
    """HTML: matched words in <mark>, all else escaped."""
    score: float
    """Higher is better; comparable within one answer only."""


@dataclass(frozen=True)
class Found:
    """A video that answers, with its best places."""

    video_id: int
    title: str
    score: float
    """Higher is better; comparable within one answer only."""
    hits: tuple[Hit, ...]
    """Three at most, best first."""


@dataclass(frozen=True)
class Filters:
    """Which videos are searched; every one of them by default."""

    user_id: int | None = None
    language: str | None = None
    """ISO 639-1 code; `de` takes `de-AT`, too."""
    created_from: datetime | None = None
    created_before: datetime | None = None
    """Not that moment itself. Times without a zone are UTC."""
    shortest: float | None = None
    longest: float | None = None
    """Duration in seconds, both ends included."""


EVERYTHING = Filters()


class Indexed(NamedTuple):
    """What the index holds of one video."""

    version: str
    passages: int
    digest: str
    """`documents.digest()` of the document that was put."""


class SearchIndex(Protocol):
    """A search index. Safe to use from several threads and processes at once.

    Methods raise TransientError when the index cannot be reached.
    """

    def put(self, document: Document, *, version: str) -> bool:
        """Replaces the video's document whole, at once. False, and nothing done, where the index holds a
        higher version (compared as text) or the video was removed for ever."""

    def remove(self, video_id: int, *, forever: bool = False) -> None:
        """Takes the video out; after `forever` no put brings it back."""

    def read(self, video_id: int) -> Indexed | None:
        """What is held of a video."""

    def search(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Hit]:
        """The best places for these words, best first; at most three of one video. Any text is a query."""

    def videos(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Found]:
        """The same by video: the best videos, each with its best places."""

    def rebuild(
        self, documents: Iterable[tuple[Document, str]], *, removed: Iterable[int] = (), kept: Collection[int] = ()
    ) -> int:
        """Makes the index again of these documents and versions, and of nothing else, but for what it holds of the
        videos `kept` (looked at when all documents have been read); `removed` are gone for ever. Searches are answered
        meanwhile, and what is put meanwhile stays. Returns how many videos it holds."""

    def count(self) -> int:
        """How many videos are held."""

    def ping(self) -> None:
        """Raises where the index cannot be used."""


def timestamp(when: datetime) -> float:
    """Seconds since 1970; a time without a zone is UTC."""
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
