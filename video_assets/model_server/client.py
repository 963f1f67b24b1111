"""An OpenAI client with limits on each answer: in bytes, and in seconds up to its last byte.

The OpenAI library takes a second to import, so this module is imported only where a call is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

import httpx2 as httpx
import openai

from video_assets.errors import PermanentError
from video_assets.model_server.address import Address

CONNECT_SECONDS = 10.0

_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=16)
"""No limit on connections: the caller decides how many calls run at once. A call that waited here would use up its
time-out."""
_UNSENT = ("OpenAI-Organization", "OpenAI-Project")
"""Headers that are left out. The library would take their values from the environment."""


def bounded_client(address: Address, *, most_bytes: int) -> openai.OpenAI:
    """A client that sends each request once, and accepts at most the address's time-out and `most_bytes` for an answer.

    Its exceptions are the library's. For an answer that is too large, the cause of the exception is a PermanentError.
    """
    timeout = address.timeout
    limit = httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout))

    def begin(request: httpx.Request) -> None:
        request.extensions["begun"] = time.monotonic()

    def bound(response: httpx.Response) -> None:
        stream, request = response.stream, response.request
        assert isinstance(stream, httpx.SyncByteStream)
        response.stream = _Bounded(stream, request, request.extensions["begun"] + timeout, most_bytes)

    hooks: dict[str, list[Callable[..., None]]] = {"request": [begin], "response": [bound]}
    return openai.OpenAI(
        base_url=address.base_url,
        # The library refuses an empty key; a server without keys accepts any.
        api_key=address.api_key.get_secret_value() or "none",
        max_retries=0,
        timeout=limit,
        default_headers=cast("dict[str, str]", dict.fromkeys(_UNSENT, openai.Omit())),
        http_client=httpx.Client(
            timeout=limit,
            limits=_LIMITS,
            follow_redirects=False,
            event_hooks=hooks,
            # Loading certificates takes time, and plain HTTP needs none.
            verify=not address.base_url.lower().startswith("http:"),
        ),
    )


class _Bounded(httpx.SyncByteStream):
    """An answer's body with limits. Without them, a server that sends a byte each second would never time out."""

    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request, deadline: float, most: int) -> None:
        self._stream, self._request, self._deadline, self._most = stream, request, deadline, most

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for piece in self._stream:
            size += len(piece)
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer took too long", request=self._request)
            if size > self._most:
                raise PermanentError(f"{self._request.url.host} sends more than an answer; is its address right?")
            yield piece

    def close(self) -> None:
        self._stream.close()
