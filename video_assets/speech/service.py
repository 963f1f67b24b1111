"""One call to an OpenAI-compatible audio endpoint: a stretch of sound out, its words back, every failure in words.

What comes back is hostile until it is checked: bodies are bounded in size and time, and no message of the server's is
passed on without the key being struck from it.

Importing the library takes a second, so this module is imported by whoever makes a call, and by nobody else.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2 as httpx
import openai

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server import client
from video_assets.speech.clean import clean_text
from video_assets.speech.endpoint import Detail, Endpoint, NoTimes

MOST_BYTES = 8 * 2**20
MOST_PIECES = 20_000
"""Segments or words of one answer; there is no speech with more."""
TRIES = 4
LONGEST_PAUSE = 30.0
"""Seconds waited within a call. Who asks for more is left alone until the stage is tried again."""


class TimedOut(TransientError):
    """It took too long. Not asked again at once: that would take as long again."""


class AudioService:
    """A model on a server; safe to share among threads."""

    def __init__(self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def hear(self, wav: bytes, detail: Detail, temperature: float = 0.0) -> dict[str, Any]:
        """What is said in a WAV file: {text, language, segments: [{start, end, text, avg_logprob, no_speech_prob}],
        words: [{start, end, text}]}, seconds from its start; all that is there is of its type, nothing more.

        Busy and broken servers are asked again a few times, after the pause that they ask for; then it is a
        TransientError. PermanentError where asking again cannot help, NoTimes where asking for less can.
        """
        for left in reversed(range(TRIES)):
            try:
                return self._once(wav, detail, temperature)
            except TimedOut:
                raise
            except TransientError as error:
                pause = error.retry_after if error.retry_after is not None else 2.0 ** (TRIES - 1 - left)
                if left == 0 or pause > LONGEST_PAUSE:
                    raise
                self._sleep(pause)
        raise AssertionError("unreachable")

    def _once(self, wav: bytes, detail: Detail, temperature: float) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self.endpoint.model, "temperature": temperature, "response_format": "json"}
        if detail == "times":
            asked |= {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]}
        if self.endpoint.language:
            asked["language"] = self.endpoint.language
        host = self.endpoint.host
        try:
            raw = self._connected().audio.transcriptions.with_raw_response.create(file=("speech.wav", wav), **asked)
            return understood(raw.content, host)
        except openai.APIStatusError as error:
            raise self._refused(error, detail) from None
        except (openai.APITimeoutError, httpx.TimeoutException):
            raise TimedOut(f"{host} did not answer within {self.endpoint.timeout:g} s") from None
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            if isinstance(error.__cause__, PermanentError):
                raise error.__cause__ from None
            why = self._safe(str(error.__cause__ or error), 120)
            raise TransientError(f"{host} cannot be reached: {why}") from None

    def _refused(self, error: openai.APIStatusError, detail: Detail) -> Exception:
        """The server's status in words."""
        status, said, host, model = (
            error.status_code,
            self._safe(client.said(error), 200),
            self.endpoint.host,
            self.endpoint,
        )
        if status in (400, 422) and detail == "times" and re.search(r"response_format|verbose_json|granularit", said):
            return NoTimes(said)
        if status in (401, 403):
            return PermanentError(f"{host} refused the key ({status}): set VIDEO_ASSETS_OPENAI_API_KEY to a valid one")
        if status == 404:
            return PermanentError(
                f"{host} does not know the model {model}, or hears no speech (404: {said}); "
                "set VIDEO_ASSETS_TRANSCRIPTION_MODEL, or VIDEO_ASSETS_OPENAI_BASE_URL with its /v1"
            )
        if status == 413:
            return PermanentError(
                f"{host} does not take files that large (413): lower VIDEO_ASSETS_TRANSCRIPTION_MAX_BYTES"
            )
        if status == 429 and client.code(error) in ("insufficient_quota", "billing_hard_limit_reached"):
            return PermanentError(f"the account at {host} has no credit left (429: {said}); top it up")
        if status in (408, 409, 425, 429) or status >= 500:
            trouble = "asks for fewer calls" if status == 429 else "is in trouble"
            return TransientError(
                f"{host} {trouble} ({status}: {said})", retry_after=client.retry_after(error.response)
            )
        return PermanentError(f"{host} refused to transcribe with {model} ({status}: {said})")

    def _safe(self, text: str, limit: int) -> str:
        key = self.endpoint.api_key.get_secret_value()
        return one_line(text.replace(key, "***") if key else text, limit)

    def _connected(self) -> openai.OpenAI:
        with self._lock:
            if self._client is None:
                where = self.endpoint
                self._client = client.connected(
                    where.base_url, where.api_key, timeout=where.timeout, most_bytes=MOST_BYTES
                )
            return self._client


def understood(body: bytes, host: str) -> dict[str, Any]:
    """The answer in a body with status 200. TransientError where it is cut off or something else altogether (a
    proxy's page): the next call may reach the server."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        said = answer.get("error") if isinstance(answer, dict) else body[:80].decode("utf-8", "replace")
        raise TransientError(f"{host} sent no transcription: {one_line(str(said), 80) or '(nothing)'}")
    found: dict[str, Any] = {"text": clean_text(answer["text"])}
    if isinstance(answer.get("language"), str):
        found["language"] = clean_text(answer["language"])[:40]
    segments = [
        {"start": each["start"], "end": each["end"], "text": text}
        | {name: each[name] for name in ("avg_logprob", "no_speech_prob") if _is_number(each.get(name))}
        for each in _timed(answer.get("segments"))
        if (text := clean_text(str(each.get("text", ""))))
    ]
    words = [
        {"start": each["start"], "end": each["end"], "text": text}
        for each in _timed(answer.get("words"))
        if (text := clean_text(str(each.get("word", ""))))
    ]
    return found | {"segments": segments, "words": words}


def _timed(value: object) -> list[Mapping[str, Any]]:
    """The entries that have a start and an end."""
    entries = value[:MOST_PIECES] if isinstance(value, list) else []
    return [
        each
        for each in entries
        if isinstance(each, dict) and _is_number(each.get("start")) and _is_number(each.get("end"))
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 and math.isfinite(value)
