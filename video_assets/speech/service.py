"""One call to an OpenAI-compatible audio endpoint: sends a chunk of sound, returns its text.

The answer is treated as hostile and checked. The OpenAI library takes a second to import, so this module is imported
only where a call is made.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server.connection import Connection, is_worth_another_try
from video_assets.model_server.refusals import Wording
from video_assets.retrying import Policy
from video_assets.speech.clean import clean_text
from video_assets.speech.endpoint import Detail, Endpoint, NoTimes

MOST_BYTES = 8 * 2**20
MOST_PIECES = 20_000
"""The most segments or words of one answer that are read; no speech has more."""
POLICY = Policy(tries=4)
_WORDING = Wording(
    chosen_by="VIDEO_ASSETS_TRANSCRIBER=openai",
    model_setting="VIDEO_ASSETS_TRANSCRIPTION_MODEL",
    server="{host}",
    refuses="refused to transcribe with {model}",
    lacks="hears no speech",
)


class AudioService:
    """A model on a server. Threads may share it.

    Raises PermanentError on creation if there is no key, and the server is OpenAI's own.
    """

    def __init__(self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        self._connection = Connection(endpoint, _WORDING, most_bytes=MOST_BYTES)

    def hear(self, wav: bytes, detail: Detail, temperature: float = 0.0) -> dict[str, Any]:
        """What is said in a WAV file: {text, language, segments: [{start, end, text, avg_logprob, no_speech_prob}],
        words: [{start, end, text}]}, in seconds from its start. Every value has its type; fields may be missing.

        A busy or broken server is asked again a few times, after the pause that it asks for; then TransientError is
        raised. Raises PermanentError if asking again cannot help, NoTimes if asking for text alone can.
        """
        options: dict[str, Any] = {"model": self.endpoint.model, "temperature": temperature, "response_format": "json"}
        if detail == "times":
            options |= {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]}
        if self.endpoint.language:
            options["language"] = self.endpoint.language

        def own_refusal(status: int, said: str) -> Exception | None:
            if (
                detail == "times"
                and status in (400, 422)
                and re.search(r"response_format|verbose_json|granularit", said)
            ):
                return NoTimes(said)
            if status == 413:
                return PermanentError(
                    f"{self.endpoint.host} does not take files that large (413): "
                    "lower VIDEO_ASSETS_TRANSCRIPTION_MAX_BYTES"
                )
            return None

        def ask() -> dict[str, Any]:
            with self._connection.speaking(own_refusal) as client:
                raw = client.audio.transcriptions.with_raw_response.create(file=("speech.wav", wav), **options)
            return parse_answer(raw.content, self.endpoint.host)

        return POLICY.call(ask, again=is_worth_another_try, sleep=self._sleep)


def parse_answer(body: bytes, host: str) -> dict[str, Any]:
    """The answer in a body with status 200. Raises TransientError if the body is cut off, or is something else, such as
    a proxy's page: the next call may reach the server."""
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
