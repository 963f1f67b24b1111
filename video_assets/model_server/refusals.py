"""Our errors for a server's refusals, by status. The server's own message is shortened, and the key removed from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import httpx2 as httpx
import openai

from video_assets.clock import utc_now
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.model_server.address import Address

BUSY = (408, 409, 425, 429)
"""Statuses after which the same call may work later. Every 5xx is another."""
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")

OwnRefusal = Callable[[int, str], Exception | None]
"""(status, the server's message) → the error, if one use of a server knows better what is wrong; else None."""


@dataclass(frozen=True)
class Wording:
    """The parts of messages that differ from one use of a server to another."""

    chosen_by: str
    """The setting, with its value, that chose this use: `VIDEO_ASSETS_SUMMARIZER=openai`."""
    model_setting: str
    """The setting that names the model."""
    server: str
    """What the server is called, with `{host}` in it."""
    refuses: str
    """What it refused, with `{model}` in it: `refused to transcribe with {model}`."""
    lacks: str
    """What a server without this service cannot do: `hears no speech`."""


def nothing_of_its_own(status: int, said: str) -> None:
    """The `OwnRefusal` of a use that has no errors of its own."""


def refusal(error: openai.APIStatusError, address: Address, wording: Wording, own: OwnRefusal) -> Exception:
    """The error for a refusal: TransientError if asking again may help, with the pause that the server asks for; else
    what `own` returns, or a PermanentError."""
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
    """A server's message on one line of at most `limit` characters, without the key, which some servers repeat."""
    key = address.api_key.get_secret_value()
    return one_line(text.replace(key, "***") if key else text, limit)


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Seconds that the server asks us to wait, from `Retry-After` (seconds or a date); None if it does not say."""
    given = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", given):
        return min(float(given), 86_400.0)
    try:
        moment = parsedate_to_datetime(given)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return min(max((moment - (now or utc_now())).total_seconds(), 0.0), 86_400.0)


def _said(error: openai.APIStatusError) -> str:
    """The server's message. Hostile text."""
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or body.get("detail") or body)
    return str(body or error.response.reason_phrase or "no reason given")


def _code(error: openai.APIStatusError) -> str:
    """The server's error code; empty if it gives none."""
    return str(error.body.get("code")) if isinstance(error.body, dict) else ""
