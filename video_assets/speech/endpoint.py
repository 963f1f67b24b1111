"""Where speech is heard for money: an OpenAI-compatible server, a model on it, what may be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

OPENAI_URL = "https://api.openai.com/v1"

Detail = Literal["times", "text"]
"""What is asked for: segments and words with their times (verbose_json), or words alone, where a model has no times."""


@dataclass(frozen=True)
class Endpoint:
    """Which model, where."""

    model: str = "whisper-1"
    base_url: str = OPENAI_URL
    api_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    language: str = ""
    """ISO 639-1 code; empty: the server hears which."""
    max_bytes: int = 25_000_000
    """Largest file it takes."""
    timeout: float = 300.0
    """Seconds a call may take from its start to the last byte of its answer."""

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc


class NoTimes(Exception):
    """The model or server has no verbose_json: ask for the words alone."""
