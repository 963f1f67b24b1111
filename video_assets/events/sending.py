"""What became of a batch of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class Sending:
    """What a publisher says of the events it was given. One that is named nowhere was not tried to its end."""

    delivered: list[UUID] = field(default_factory=list)
    """Safe where they belong."""
    refused: dict[UUID, str] = field(default_factory=dict)
    """Not taken for what they are, with the reason. What follows of the same video was held back."""
    trouble: str = ""
    """Why sending ended early, in a line; it is nobody's fault among the events."""
