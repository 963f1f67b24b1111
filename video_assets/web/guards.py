"""What every request passes: limits on its body, and headers on every answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from video_assets.web.problems import Problem, answer

MAX_BODY = 6 * 2**20
"""Bytes of a request's body; captions, the longest of them, may have 5 MiB. Parts of an upload have a limit of their
own."""
BODY_SECONDS = 30.0
"""So long may a client be silent in the middle of its body."""
PART_PATH = "/parts/"
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class _TooLong(Exception):
    pass


class _TooSlow(Exception):
    pass


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
        if not declared.isdigit() or int(declared) > MAX_BODY:
            await answer(Problem(413, f"a body may have {MAX_BODY:,} bytes at most"))(scope, receive, send)
            return
        got, complete, begun = 0, False, False

        async def bounded() -> Message:
            nonlocal got, complete
            if complete:  # from now on it only waits for the client to go away
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), BODY_SECONDS)
            except asyncio.TimeoutError:
                raise _TooSlow from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > MAX_BODY:
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
            slow = isinstance(error, _TooSlow)
            words = f"the rest of the body did not come within {BODY_SECONDS:.0f} s" if slow else "the body is too long"
            await answer(Problem(408 if slow else 413, words))(scope, receive, send)


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
