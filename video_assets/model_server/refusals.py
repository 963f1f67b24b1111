"""What a server refuses, in our words: by its status, with what it says shortened and the key struck from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx2 as httpx
import openai

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server.address import Address

BUSY = (408, 409, 425, 429)
"""Statuses after which the same call may work later, as it may after every 5xx."""
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")

OwnRefusal = Callable[[int, str], Exception | None]
"""(status, what the server says) → the error, where one use of a server knows better what is wrong than this table."""


@dataclass(frozen=True)
class Wording:
    """What differs in the messages from one use of a server to another."""

    chosen_by: str
    """The setting and its value by which this use was chosen: `VIDEO_ASSETS_SUMMARIZER=openai`."""
    model_setting: str
    """The setting that names the model."""
    server: str
    """How the server is called, with `{host}` in it."""
    refuses: str
    """What it refused, with `{model}` in it: `refused to transcribe with {model}`."""
    lacks: str
    """What a server without such a service is like: `hears no speech`."""


def nothing_of_its_own(status: int, said: str) -> None:
    """The `OwnRefusal` of a use that has none."""


def refusal(error: openai.APIStatusError, address: Address, wording: Wording, own: OwnRefusal) -> Exception:
    """The error that a status stands for. TransientError where asking again may help, with the pause that the server
    asks for; else what `own` makes of it, or a PermanentError."""
    status, said, host = error.status_code, without_key(_said(error), address, 200), address.host
    if status in (401, 403):
        return PermanentError(f"{host} refused the key ({status}): set VIDEO_ASSETS_OPENAI_API_KEY to a valid one")
    if status == 404:
        return PermanentError(
            f"{host} does not know the model {address.model}, or {wording.lacks} (404: {said}); "
            f"set {wording.model_setting}, or VIDEO_ASSETS_OPENAI_BASE_URL with its /v1"
        )
    if status == 429 and _code(error) in _NO_CREDIT:
        return PermanentError(f"the account at {host} has no credit left (429: {said}); top it up")
    if status in BUSY or status >= 500:
        trouble = "asks for fewer calls" if status == 429 else "is in trouble"
        return TransientError(
            f"{wording.server.format(host=host)} {trouble} ({status}: {said})",
            retry_after=retry_after(error.response),
        )
    return own(status, said) or PermanentError(
        f"{host} {wording.refuses.format(model=address.model)} ({status}: {said})"
    )


def without_key(text: str, address: Address, limit: int) -> str:
    """A server's words on one line of at most `limit` characters, without the key: some servers repeat it."""
    key = address.api_key.get_secret_value()
    return one_line(text.replace(key, "***") if key else text, limit)


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Seconds the server asks us to wait, by `Retry-After` (seconds or a date); None where it does not say."""
    given = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", given):
        return min(float(given), 86_400.0)
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return min(max((moment - (now or datetime.now(timezone.utc))).total_seconds(), 0.0), 86_400.0)


def _said(error: openai.APIStatusError) -> str:
    """The server's own words; hostile."""
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or body.get("detail") or body)
    return str(body or error.response.reason_phrase or "no reason given")


def _code(error: openai.APIStatusError) -> str:
    """The server's code of the error; empty where it gives none."""
    return str(error.body.get("code")) if isinstance(error.body, dict) else ""
