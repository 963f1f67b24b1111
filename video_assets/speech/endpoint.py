"""The transcription service that is used: an OpenAI-compatible server, a model on it, and limits on what is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from video_assets.model_server.address import Address

Detail = Literal["times", "text"]
"""What is asked for. `times`: segments and words with their times (verbose_json). `text`: text alone, for models that
give no times."""


@dataclass(frozen=True)
class Endpoint(Address):
    """A model on a server, and limits on what is sent to it."""

    model: str = "whisper-1"
    language: str = ""
    """ISO 639-1 code; empty: the server detects it."""
    max_bytes: int = 25_000_000
    """The largest file that the server accepts."""
    timeout: float = field(default=300.0, kw_only=True)


class NoTimes(Exception):
    """The model or server does not support verbose_json: ask for text alone."""
