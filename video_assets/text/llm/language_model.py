"""One call to an OpenAI-compatible server: what is sent, what comes back, and every way in which it can fail.

What comes back is hostile until it is checked: bodies are bounded in size and time, and no message of the server's
is passed on without the key being struck from it.

Importing the library takes a second, so this module is imported by whoever makes a call, and by nobody else.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import openai
from pydantic import ValidationError

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server import client
from video_assets.text.llm.pace import Pace
from video_assets.text.llm.server import Reply, Server

MOST_BYTES = 256 * 1024
"""Answers have a few hundred tokens; whatever is larger is none."""
TRIES = 3
LONGEST_PAUSE = 30.0
"""Seconds waited within a call. Whoever asks for more is left alone until the stage is tried again."""


class TimedOut(TransientError):
    """It took too long. Not asked again at once: that would take as long again."""


class LanguageModel:
    """A model on a server. One a process, shared by its threads: they keep to one pace."""

    def __init__(
        self, server: Server, *, pace: Pace | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.server = server
        self.pace = pace or Pace(server.rate)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def reply(self, body: Mapping[str, Any], *, tokens: int, idempotency_key: str) -> Reply:
        """One answer. `tokens`: of question and answer together at most, for the pace.

        Busy and broken servers are asked again a few times, after the pause that they ask for; then it is a
        TransientError. PermanentError where asking again cannot help.
        """
        for left in reversed(range(TRIES)):
            self.pace.wait(tokens)
            try:
                return self._once(body, idempotency_key)
            except TransientError as error:
                pause = error.retry_after if error.retry_after is not None else 2.0 ** (TRIES - 1 - left)
                if left == 0 or pause > LONGEST_PAUSE or isinstance(error, TimedOut):
                    raise
                self.pace.hold(pause)
                self._sleep(pause)
        raise AssertionError("unreachable")

    def is_listed(self) -> bool | None:
        """Whether the server lists the model, which costs nothing to ask; None where it lists none. Raises as
        `reply` does."""
        with self._in_words():
            try:
                raw = self._connected().models.with_raw_response.list()
            except openai.NotFoundError:
                return None
        try:
            return self.server.model in [model["id"] for model in json.loads(raw.content)["data"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _once(self, body: Mapping[str, Any], idempotency_key: str) -> Reply:
        with self._in_words():
            raw = self._connected().chat.completions.with_raw_response.create(
                **body, extra_headers={"Idempotency-Key": idempotency_key}
            )
        return understood(raw.content)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turns whatever the library raises into our own two errors."""
        try:
            yield
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except (openai.APITimeoutError, httpx.TimeoutException):
            raise TimedOut(
                f"the language model at {self.server.host} did not answer within {self.server.timeout:g} s"
            ) from None
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            if isinstance(error.__cause__, PermanentError):
                raise error.__cause__ from None
            why = self._safe(str(error.__cause__ or error), 120)
            raise TransientError(f"the language model at {self.server.host} cannot be reached: {why}") from None

    def _refused(self, error: openai.APIStatusError) -> PermanentError | TransientError:
        """The server's status in words."""
        status, said = error.status_code, self._safe(client.said(error), 200)
        host, model = self.server.host, self.server.model
        if status in (401, 403):
            return PermanentError(f"{host} refused the key ({status}): set VIDEO_ASSETS_OPENAI_API_KEY to a valid one")
        if status == 404:
            return PermanentError(
                f"{host} does not know the model {model}, or has no chat completions (404: {said}); "
                "set VIDEO_ASSETS_SUMMARY_MODEL, or VIDEO_ASSETS_OPENAI_BASE_URL with its /v1"
            )
        if status == 429 and client.code(error) in ("insufficient_quota", "billing_hard_limit_reached"):
            return PermanentError(f"the account at {host} has no credit left (429: {said}); top it up")
        if status in (408, 409, 425, 429) or status >= 500:
            busy = "asks for fewer calls" if status == 429 else "is in trouble"
            return TransientError(
                f"the language model at {host} {busy} ({status}: {said})",
                retry_after=client.retry_after(error.response),
            )
        if "response_format" in said or "json_schema" in said:
            return PermanentError(
                f"{host} does not take this shape of answers ({status}: {said}); "
                "set VIDEO_ASSETS_SUMMARY_JSON to object or prompt"
            )
        return PermanentError(f"{host} refused the call to {model} ({status}: {said})")

    def _safe(self, text: str, limit: int) -> str:
        key = self.server.api_key.get_secret_value()
        return one_line(text.replace(key, "***") if key else text, limit)

    def _connected(self) -> openai.OpenAI:
        with self._lock:
            if self._client is None:
                server = self.server
                self._client = client.connected(
                    server.base_url, server.api_key, timeout=server.timeout, most_bytes=MOST_BYTES
                )
            return self._client


def understood(body: bytes) -> Reply:
    """The reply in a body with status 200. TransientError where it is cut off; where it is something else
    altogether (a proxy's page), too: the next call may reach the server."""
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
    """A number of tokens; None where the server gives none that can be."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value <= 10**9 else None
