"""What every request passes: limits on its body, and headers on every answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from video_assets.web.problems import Problem, answer

MAX_BODY = 64 * 2**10
"""Bytes of a request's body. It is read and checked before it is known who sends it."""
LONGER = {"/captions": 5 * 2**20, "/upload/initiate": 6 * 2**20, "/upload/complete": 2 * 2**20}
"""Paths that end so have captions or thousands of parts in their bodies."""
BODY_SECONDS = 30.0
"""So long may a client be silent in the middle of its body."""
WHOLE_BODY_SECONDS = 300.0
"""So long may all of it take, however often a byte comes."""
PART_PATH = "/parts/"
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


# HTTPException, as FastAPI takes any other error of reading a body for bad JSON.
class _TooLong(HTTPException):
    def __init__(self) -> None:
        super().__init__(413, "the body is too long")


class _TooSlow(HTTPException):
    def __init__(self) -> None:
        super().__init__(408, "the rest of the body did not come in time")


async def until_silent(chunks: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """The chunks, as long as the next comes within so many seconds. Problem 408 where it does not."""
    while True:
        try:
            yield await asyncio.wait_for(anext(chunks), seconds)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise Problem(408, f"nothing came for {seconds:.0f} s; send it again") from None


class BodyGuard:
    """Ends requests whose body is too long, or whose client falls silent in it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or PART_PATH in scope["path"]:
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        most = next((most for end, most in LONGER.items() if scope["path"].endswith(end)), MAX_BODY)
        if not declared.isdigit() or int(declared[:16]) > most:
            await answer(Problem(413, f"a body may have {most:,} bytes at most"))(scope, receive, send)
            return
        got, complete, begun = 0, False, False
        deadline = time.monotonic() + WHOLE_BODY_SECONDS

        async def bounded() -> Message:
            nonlocal got, complete
            if complete:  # from now on it only waits for the client to go away
                return await receive()
            try:
                left = deadline - time.monotonic()
                message = await asyncio.wait_for(receive(), max(0.0, min(BODY_SECONDS, left)))
            except asyncio.TimeoutError:
                raise _TooSlow from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > most:
                raise _TooLong
            return message

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, bounded, noting)
        except (_TooLong, _TooSlow) as error:
            if begun:
                raise
            await answer(Problem(error.status_code, error.detail))(scope, receive, send)


class SecurityHeaders:
    """Adds headers that keep a browser from doing with an answer what it was not meant for. A route's own win."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((n, v) for n, v in HEADERS.items() if n not in there)]
            await send(message)

        await self.app(scope, receive, with_headers)
