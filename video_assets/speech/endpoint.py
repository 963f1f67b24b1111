"""Where speech is heard for money: an OpenAI-compatible server, a model on it, what may be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from video_assets.model_server.address import Address

Detail = Literal["times", "text"]
"""What is asked for: segments and words with their times (verbose_json), or words alone, where a model has no times."""


@dataclass(frozen=True)
class Endpoint(Address):
    """Which model, where, and what may be sent."""

    model: str = "whisper-1"
    language: str = ""
    """ISO 639-1 code; empty: the server hears which."""
    max_bytes: int = 25_000_000
    """Largest file it takes."""
    timeout: float = field(default=300.0, kw_only=True)


class NoTimes(Exception):
    """The model or server has no verbose_json: ask for the words alone."""
