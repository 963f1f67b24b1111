"""The types by which a publisher reports what became of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from video_assets.outbox.queue import Outgoing

Safe = Callable[[Sequence[str]], None]
"""Called with the ids of events that were acknowledged by all replicas, or are on disk."""

Ours = Callable[[], None]
"""Raises TransientError once another publisher may be sending these events. It is called often enough that nothing but
messages already in flight goes out after that."""


@dataclass
class Sending:
    """The events that did not become safe. An event that is neither here nor safe was not tried to the end."""

    refused: dict[Outgoing, str] = field(default_factory=dict)
    """Refused event → reason. The later events of the same video were held back."""
    trouble: str = ""
    """Why sending ended early, in one line; no event is to blame. Empty where it did not."""
