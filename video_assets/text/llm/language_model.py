"""One call to an OpenAI-compatible server for a chat completion.

The answer is treated as hostile and checked. The OpenAI library takes a second to import, so this module is imported
only where a call is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import openai
from pydantic import ValidationError

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server.connection import Connection, is_worth_another_try
from video_assets.model_server.refusals import Wording
from video_assets.retrying import Policy
from video_assets.text.llm.pace import Pace
from video_assets.text.llm.server import Reply, Server

MOST_BYTES = 256 * 1024
"""The largest answer that is read. Real ones have a few hundred tokens."""
POLICY = Policy(tries=3)
_WORDING = Wording(
    chosen_by="VIDEO_ASSETS_SUMMARIZER=openai",
    model_setting="VIDEO_ASSETS_SUMMARY_MODEL",
    server="the language model at {host}",
    refuses="refused the call to {model}",
    lacks="has no chat completions",
)


class LanguageModel:
    """A model on a server. A process has one, which its threads share, so that the rate limit holds for all of them.

    Raises PermanentError on creation if there is no key, and the server is OpenAI's own.
    """

    def __init__(
        self, server: Server, *, pace: Pace | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.server = server
        self.pace = pace or Pace(server.rate)
        self._sleep = sleep
        self._connection = Connection(server, _WORDING, most_bytes=MOST_BYTES)

    def reply(self, body: Mapping[str, Any], *, tokens: int, idempotency_key: str) -> Reply:
        """One answer. `tokens`: the most tokens of question and answer together, for the rate limit.

        A busy or broken server is asked again a few times, after the pause that it asks for; then TransientError is
        raised. Raises PermanentError if asking again cannot help.
        """

        def ask() -> Reply:
            self.pace.wait(tokens)
            with self._connection.speaking(self._own_refusal) as client:
                raw = client.chat.completions.with_raw_response.create(
                    **body, extra_headers={"Idempotency-Key": idempotency_key}
                )
            return parse_reply(raw.content)

        return POLICY.call(ask, again=is_worth_another_try, sleep=self._hold)

    def is_listed(self) -> bool | None:
        """Whether the server lists the model, which costs nothing to ask; None if it has no list. Raises as `reply`
        does."""
        with self._connection.speaking(self._own_refusal) as client:
            try:
                raw = client.models.with_raw_response.list()
            except openai.NotFoundError:
                return None
        try:
            return self.server.model in [model["id"] for model in json.loads(raw.content)["data"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _hold(self, seconds: float) -> None:
        """Waits, and makes every other thread that would call wait as long."""
        self.pace.hold(seconds)
        self._sleep(seconds)

    def _own_refusal(self, status: int, said: str) -> PermanentError | None:
        if "response_format" in said or "json_schema" in said:
            return PermanentError(
                f"{self.server.host} does not take this shape of answers ({status}: {said}); "
                "set VIDEO_ASSETS_SUMMARY_JSON to object or prompt"
            )
        return None


def parse_reply(body: bytes) -> Reply:
    """The reply in a body with status 200. Raises TransientError if the body is cut off, or is something else, such as
    a proxy's page: the next call may reach the server."""
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message, usage = choice["message"], answer.get("usage")
        return Reply(
            content=_text(message.get("content")),
            refusal=_text(message.get("refusal")),
            finish_reason=_text(choice.get("finish_reason")),
            model=_text(answer.get("model"))[:200],
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, ValidationError):
        shown = one_line(body[:80].decode("utf-8", "replace"), 60)
        raise TransientError(f"the language model's server sent no chat completion: {shown or '(nothing)'}") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(usage: Any, name: str) -> int | None:
    """A number of tokens; None if the server gives no valid one."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value <= 10**9 else None
