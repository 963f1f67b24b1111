"""The gate in front of the Dagster UI: refuses requests that come from pages of other sites.

Dagster's webserver takes every request and its GraphQL has no login. Any page that an operator opens can make his
browser post to 127.0.0.1, open WebSockets there, or reach it under a domain of its own (DNS rebinding). Browsers send
the origin of a request in `Origin` and `Sec-Fetch-Site`, which scripts cannot change; other programs send neither. So
requests with a foreign origin are refused, and requests without any are accepted.
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
"""Values of `Sec-Fetch-Site` for the UI's own requests and for an address that the user typed."""


@dataclass(frozen=True)
class Asked:
    """The parts of a request that the decision depends on."""

    kind: str
    """`http` or `websocket`."""
    method: str
    path: str
    query: str
    headers: dict[str, list[str]]
    """Lower-case name → values; a list, because a header may be sent twice."""

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
    """The answer to a refused request."""

    status: int
    line: str


def loopback_hosts(port: int) -> frozenset[str]:
    """The `Host` headers that mean this machine."""
    return frozenset(f"{name}:{port}" for name in LOOPBACK) | (frozenset(LOOPBACK) if port == 80 else frozenset())


def refusal(asked: Asked, hosts: Collection[str]) -> Refusal | None:
    """Why the request is refused; None where it is accepted. `hosts`: the accepted `Host` headers."""
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
    """Whether the request does not come from another site, or is a link that the user followed, which changes
    nothing."""
    sites, origins = asked.said("sec-fetch-site"), asked.said("origin")
    if all(site in _HERE for site in sites) and all(origin == f"http://{host}" for origin in origins):
        return True
    return (
        asked.kind == "http"
        and asked.method == "GET"
        and asked.said("sec-fetch-mode") == ["navigate"]
        # Not a frame of another site, which could trick the user into clicking.
        and asked.said("sec-fetch-dest") == ["document"]
    )


def _refused_by_graphql(asked: Asked) -> Refusal | None:
    if asked.method in ("GET", "HEAD"):
        documents = (value for name, value in parse_qsl(asked.query, keep_blank_values=True) if name == "query")
        if any(_changes_something(document) for document in documents):
            return Refusal(405, "a GET changes nothing: send the mutation by POST, as application/json")
    elif asked.method == "POST":
        # The media type without parameters: Dagster accepts `application/json` anywhere in the header, and any page may
        # send `text/plain` with that as a parameter.
        kinds = [value.partition(";")[0].strip() for value in asked.said("content-type")]
        by_the_ui = bool(asked.said("origin")) or "same-origin" in asked.said("sec-fetch-site")
        if kinds != ["application/json"] and not (kinds == ["multipart/form-data"] and by_the_ui):
            return Refusal(415, "GraphQL is taken as application/json")
    return None


def _changes_something(document: str) -> bool:
    try:
        found = parse(document, no_location=True)
    except GraphQLError:
        return False  # Dagster reports the syntax error and executes nothing
    operations = (each for each in found.definitions if isinstance(each, OperationDefinitionNode))
    return any(each.operation is not OperationType.QUERY for each in operations)


class Gate:
    """An ASGI app that answers refused requests itself and passes all others on unchanged."""

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
    """Adds a header that keeps other sites from showing the UI in a frame, for browsers that send no `Sec-Fetch-*`."""

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
