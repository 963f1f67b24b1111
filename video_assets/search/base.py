"""The protocol of a search index, and the values that go in and come out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple, Protocol

MEMBERS, PUBLIC = "members", "public"
ABOUT = -1
"""The passage number for the video as a whole: its title, summary and the rest of its description."""


@dataclass(frozen=True)
class Passage:
    """About half a minute of speech, cut at sentence ends. Times in seconds."""

    number: int
    start: float
    end: float
    text: str
    marks: tuple[tuple[int, float], ...] = ()
    """(character offset in the text, second at which it is spoken), rising. They give the second of a hit."""


@dataclass(frozen=True)
class Document:
    """Everything about one video that search can find."""

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
    """Second at which the words are spoken; 0 if the video was found by its title or description."""
    end: float
    snippet: str
    """HTML: matched words are in <mark>, everything else is escaped."""
    score: float
    """Higher is better. Only scores of the same answer can be compared."""


@dataclass(frozen=True)
class Found:
    """A video that was found, with its best places."""

    video_id: int
    title: str
    score: float
    """Higher is better. Only scores of the same answer can be compared."""
    hits: tuple[Hit, ...]
    """At most three, best first."""


class Access(NamedTuple):
    """Who may see a video beside its owner."""

    visibility: str
    """private, members (everybody with an account) or public. Any other is seen by the owner alone."""
    version: int
    """Of two changes, the one with the higher version stays, whichever comes first."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: public videos are seen by everybody, others only as it says here."""

    members: bool
    """Whether videos for everybody with an account are seen."""
    user_id: int | None
    """This user's own videos are seen."""
    shared_video: int | None
    """This video is seen, by a share link."""
    default: str
    """The visibility of videos that have none noted."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The visibilities with which a video is seen, whoever owns it."""
        return (PUBLIC, MEMBERS) if self.members else (PUBLIC,)

    def sees(self, video_id: int, owner: int | None, visibility: str | None) -> bool:
        """Whether this viewer sees the video. Each index asks the same in its query."""
        return (
            (visibility or self.default) in self.shown
            or (self.user_id is not None and self.user_id == owner)
            or self.shared_video == video_id
        )


@dataclass(frozen=True)
class Filters:
    """Which videos are searched; by default all."""

    user_id: int | None = None
    language: str | None = None
    """ISO 639-1 code. `de` also finds `de-AT`."""
    created_from: datetime | None = None
    created_before: datetime | None = None
    """Exclusive. Times without a zone are UTC."""
    shortest: float | None = None
    longest: float | None = None
    """Duration in seconds; both bounds are inclusive."""
    viewer: Viewer | None = None
    """Only what this viewer sees is searched; None: everything is seen. Nothing of other videos shows in an answer: no
    place, no spelling, and no count that scores depend on."""


EVERYTHING = Filters()


class Indexed(NamedTuple):
    """What the index holds of one video."""

    version: str
    passages: int
    digest: str
    """`documents.digest()` of the document that was put."""


class SearchIndex(Protocol):
    """A search index. Several threads and processes may use it at the same time.

    Every method raises TransientError if the index cannot be reached, PermanentError if it cannot be used.
    """

    def put(self, document: Document, *, version: str) -> bool:
        """Replaces the video's document, all at once. Does nothing and returns False if the index holds a higher
        version (compared as text), or the video was removed for ever."""

    def remove(self, video_id: int, *, forever: bool = False) -> None:
        """Removes the video's document. After `forever`, no put brings it back, and its access is removed too."""

    def read(self, video_id: int) -> Indexed | None:
        """What the index holds of a video; None if nothing."""

    def set_access(self, video_id: int, access: Access) -> None:
        """Notes who may see the video from now on, unless the index has this version or a higher one. It needs no
        document, and outlives documents. Once this returns, every search goes by it."""

    def read_access(self, video_id: int) -> Access | None:
        """By what searches go for this video; None if nothing is noted."""

    def search(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Hit]:
        """The best places for these words, best first, at most three of one video. Any text is a query."""

    def videos(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Found]:
        """The best videos for these words, best first, each with its best places."""

    def rebuild(
        self,
        documents: Iterable[tuple[Document, str]],
        *,
        removed: Iterable[int] = (),
        kept: Collection[int] = (),
        access: Iterable[tuple[int, Access]] = (),
    ) -> int:
        """Makes the index again from these documents and their versions. Returns how many videos it then holds.

        Other videos are removed, except those in `kept` (read after all documents), whose documents stay as they are.
        Videos in `removed` are removed for ever. `access` is noted before the first document, as by `set_access`; what
        is noted already stays. Searches are answered meanwhile, and what is put or set meanwhile stays.
        """

    def count(self) -> int:
        """How many videos the index holds."""

    def ping(self) -> None:
        """Raises if the index cannot be used."""


def timestamp(when: datetime) -> float:
    """Seconds since 1970. A time without a zone is UTC."""
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
