"""The address of a model: server, name and key."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Address:
    """A model on an OpenAI-compatible server."""

    model: str
    base_url: str = OPENAI_URL
    api_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    timeout: float = field(default=120.0, kw_only=True)
    """Seconds that a call may take, from its start to the last byte of the answer."""

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def lacks_its_key(self) -> bool:
        """Whether this is OpenAI's own server and there is no key. Other servers may need none."""
        return self.base_url == OPENAI_URL and not self.api_key.get_secret_value()
