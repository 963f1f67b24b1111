"""Which requests the Dagster UI takes. Its own webserver takes all of them, and an operator's browser, with whatever
pages are open in it, is always beside it.

A page anywhere can have its reader's browser post to 127.0.0.1, open WebSockets there, or name it by a domain of its
own (DNS rebinding); Dagster's GraphQL asks nobody who they are. Browsers say from where a request comes, in `Origin`
and `Sec-Fetch-Site`, and no script can change that; programs that are not browsers say nothing. So what comes from
elsewhere is refused, and what says nothing is taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from graphql import OperationDefinitionNode, OperationType, parse
from graphql.error import GraphQLError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HERE = ("same-origin", "none")
"""`Sec-Fetch-Site` of the UI's own requests, and of an address that somebody typed."""


@dataclass(frozen=True)
class Asked:
    """What the decision is made from."""

    kind: str
    """`http` or `websocket`."""
    method: str
    path: str
    query: str
    headers: dict[str, list[str]]
    """By lower-case name; a list, since nothing keeps anybody from saying a thing twice."""

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        """From an ASGI scope."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
        query = scope.get("query_string", b"").decode("latin-1")
        # A WebSocket begins as a GET.
        return cls(scope["type"], scope.get("method", "GET"), scope["path"], query, headers)

    def said(self, name: str) -> list[str]:
        """The header's values, in lower case."""
        return [value.lower() for value in self.headers.get(name, ())]


@dataclass(frozen=True)
class Refusal:
    """What is answered instead."""

    status: int
    line: str


def loopback_hosts(port: int) -> frozenset[str]:
    """The `Host` headers by which this machine itself is meant."""
    return frozenset(f"{name}:{port}" for name in LOOPBACK) | (frozenset(LOOPBACK) if port == 80 else frozenset())


def refusal(asked: Asked, hosts: Collection[str]) -> Refusal | None:
    """Why the request is not taken; None where it is. `hosts`: by which names one may ask."""
    host = asked.said("host")
    if len(host) != 1 or host[0] not in hosts:
        return Refusal(421, f"this is the Dagster UI of {min(hosts)}; ask for it by that name")
    if not _from_here(asked, host[0]):
        what = "WebSocket" if asked.kind == "websocket" else f"{asked.method} request"
        return Refusal(403, f"a {what} from a page of another site is not taken; open http://{host[0]} itself")
    if asked.kind == "http" and asked.path.rstrip("/").endswith("/graphql"):
        return _refused_by_graphql(asked)
    return None


def _from_here(asked: Asked, host: str) -> bool:
    """Whether no other site is behind it; or somebody followed a link to here, which changes nothing."""
    sites, origins = asked.said("sec-fetch-site"), asked.said("origin")
    if all(site in _HERE for site in sites) and all(origin == f"http://{host}" for origin in origins):
        return True
    return (
        asked.kind == "http"
        and asked.method == "GET"
        and asked.said("sec-fetch-mode") == ["navigate"]
        # Not a frame of theirs, in which one could be led to click.
        and asked.said("sec-fetch-dest") == ["document"]
    )


def _refused_by_graphql(asked: Asked) -> Refusal | None:
    if asked.method in ("GET", "HEAD"):
        documents = (value for name, value in parse_qsl(asked.query, keep_blank_values=True) if name == "query")
        if any(_changes_something(document) for document in documents):
            return Refusal(405, "a GET changes nothing: send the mutation by POST, as application/json")
    elif asked.method == "POST":
        # The type itself: Dagster looks for `application/json` anywhere, and any page may send `text/plain` with that
        # behind it.
        kinds = [value.partition(";")[0].strip() for value in asked.said("content-type")]
        by_the_ui = bool(asked.said("origin")) or "same-origin" in asked.said("sec-fetch-site")
        if kinds != ["application/json"] and not (kinds == ["multipart/form-data"] and by_the_ui):
            return Refusal(415, "GraphQL is taken as application/json")
    return None


def _changes_something(document: str) -> bool:
    try:
        found = parse(document, no_location=True)
    except GraphQLError:
        return False  # Dagster says what is wrong with it, and runs nothing
    operations = (each for each in found.definitions if isinstance(each, OperationDefinitionNode))
    return any(each.operation is not OperationType.QUERY for each in operations)


class Gate:
    """The app, with what it is not to see kept from it. Bodies and WebSockets pass as they come."""

    def __init__(self, app: App, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = refusal(Asked.of(scope), self._hosts)
        if refused is None:
            await self._app(scope, receive, _never_in_a_frame(send))
        elif scope["type"] == "http":
            await _answer(refused, send)
        else:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008, "reason": refused.line})


def _never_in_a_frame(send: Send) -> Send:
    """For browsers that do not say from where they ask."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return sending


async def _answer(refused: Refusal, send: Send) -> None:
    body = f"{refused.line}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
