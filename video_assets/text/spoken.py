"""What this package needs of a transcript, as protocols: any object of this shape will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class SpokenSegment(Protocol):
    """A part of the speech. Times in seconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...


class Spoken(Protocol):
    """A transcript: segments in the order of their starts."""

    @property
    def segments(self) -> Sequence[SpokenSegment]: ...
    @property
    def language(self) -> str | None: ...
