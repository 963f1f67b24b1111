"""What became of a batch of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from video_assets.outbox.queue import Outgoing

Safe = Callable[[Sequence[str]], None]
"""Is told of the ids of events that are where they belong."""

Ours = Callable[[], None]
"""Raises TransientError once somebody else may be sending these events. Asked so often that what is sent after that
is what was on its way already."""


@dataclass
class Sending:
    """What a publisher says of the events it was given and did not say to be safe. One that is named nowhere was not
    tried to its end."""

    refused: dict[Outgoing, str] = field(default_factory=dict)
    """Not taken for what they are, with the reason. What follows of the same video was held back."""
    trouble: str = ""
    """Why sending ended early, in a line; it is nobody's fault among the events."""
