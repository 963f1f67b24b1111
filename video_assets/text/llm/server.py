"""The request to a language model and its reply, as values. `language_model.py` makes the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from video_assets.model_server.address import OPENAI_URL, Address
from video_assets.text.llm.pace import Rate

JsonMode = Literal["schema", "object", "prompt"]
Message = Mapping[str, str]


@dataclass(frozen=True)
class Server(Address):
    """A model on a server, and how it is called."""

    json_mode: JsonMode = "schema"
    """How the answer's shape is asked for: by a JSON schema, as any JSON object, or in the prompt alone."""
    rate: Rate = field(default_factory=Rate)


class Reply(BaseModel):
    """What a model said. Kept as it is: what is made of it can be made again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    content: str = ""
    refusal: str = ""
    finish_reason: str = ""
    model: str = ""
    """The model's name in the server's answer."""
    prompt_tokens: int | None = Field(default=None, ge=0, le=10**9)
    completion_tokens: int | None = Field(default=None, ge=0, le=10**9)


def request(server: Server, messages: tuple[Message, ...], max_tokens: int, shape: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a call: everything that decides the answer, and nothing else. `shape`: the answer's JSON schema."""
    body: dict[str, Any] = {"model": server.model, "messages": [dict(message) for message in messages]}
    if server.base_url == OPENAI_URL:
        body["max_completion_tokens"] = max_tokens  # OpenAI's newer models refuse `max_tokens` and a temperature
    else:
        body |= {"max_tokens": max_tokens, "temperature": 0}
    if server.json_mode == "schema":
        schema = {"name": "answer", "strict": True, "schema": shape}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif server.json_mode == "object":
        body["response_format"] = {"type": "json_object"}
    return body
