"""A language model that costs nothing: an OpenAI-compatible server over real HTTP, as good or as bad as a test wants.

It sees what a real one would see, and answers from that alone. An answer is billed once it was delivered whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LINE = re.compile(r"^\[([\d, ]+)\] (.*)$", re.MULTILINE)


@dataclass
class Call:
    """One request, as the server saw it."""

    number: int
    """From 0, in the order of arrival."""
    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    began: float
    ended: float = 0.0
    billed: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def kind(self) -> str:
        """map, reduce or final."""
        if self.system.startswith("You take notes"):
            return "map"
        return "reduce" if self.system.startswith("You merge notes") else "final"

    @property
    def repairing(self) -> bool:
        return "cannot be used" in str(self.body["messages"][-1]["content"])

    @property
    def lines(self) -> list[tuple[list[int], str]]:
        """What the model is given: the numbers of each line, and its text."""
        return [([int(n) for n in match[1].split(",")], match[2]) for match in LINE.finditer(self.user)]


@dataclass
class Reaction:
    """What the server does about a call."""

    content: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    finish_reason: str = "stop"
    raw: bytes | None = None
    """The whole body, instead of a completion."""
    reset: bool = False
    """Drop the connection instead of answering."""
    delay: float = 0.0
    drip: float = 0.0
    """Seconds between two bytes of the body."""
    usage: bool = True


def answer(points: list[tuple[str, list[int]]], kind: str) -> Reaction:
    """An answer in the shape asked for."""
    key = "sentences" if kind == "final" else "points"
    return Reaction(json.dumps({key: [{"says": says, "at": at} for says, at in points]}, ensure_ascii=False))


def picked(call: Call, count: int) -> list[tuple[str, list[int]]]:
    """So many of the lines, evenly spread."""
    lines = {text: at for at, text in call.lines if len(text.split()) >= 3}
    texts = list(lines)
    count = min(count, len(texts))
    return [(text, lines[text]) for text in (texts[at * len(texts) // count] for at in range(count))]


def honest(call: Call) -> Reaction:
    """Says what the lines say, in nearly their words."""
    points = [(reported(call, text), at) for text, at in picked(call, 5 if call.kind == "final" else 4)]
    return answer(points, call.kind)


def reported(call: Call, text: str) -> str:
    """A sentence as an English summary would put it: in the third person, without what only speech needs."""
    if "in English" not in call.system:
        return text
    plain = re.sub(r"^(?:The speaker says that|So|And|But|Then|Now|Well),? ", "", text).rstrip(".!? ")
    return f"The speaker says that {plain[:1].lower()}{plain[1:]}."


class StandIn:
    """The server. `behave` decides what happens with each call."""

    def __init__(
        self, behave: Callable[[Call], Reaction] = honest, *, latency: float = 0.0, idempotent: bool = False
    ) -> None:
        self.behave, self.latency, self.idempotent = behave, latency, idempotent
        self.models: list[str] | None = ["stand-in"]
        """What it lists; None: it knows no such request."""
        self.key = ""
        """The key without which it lists nothing."""
        self.calls: list[Call] = []
        self.in_flight = self.most_in_flight = 0
        self.replayed = self.asked = self.tokens = 0
        self._known: dict[str, Reaction] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def billed(self) -> Counter[str]:
        """How often each question was billed."""
        with self._lock:
            return Counter(call.digest for call in self.calls if call.billed)

    @property
    def kinds(self) -> Counter[str]:
        with self._lock:
            return Counter(call.kind for call in self.calls)

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                standin._serve(self)

            def do_GET(self) -> None:
                known = {"data": [{"id": name} for name in standin.models or ()]}
                data = json.dumps(known).encode()
                if self.headers["authorization"] != f"Bearer {standin.key}":
                    self.send_response(401)
                else:
                    self.send_response(404 if standin.models is None else 200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["content-length"])))
        with self._lock:
            headers = {name.lower(): value for name, value in request.headers.items()}
            call = Call(len(self.calls), body, headers, request.path, time.monotonic())
            self.calls.append(call)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self._answer(request, call)
        except OSError:  # the client has gone
            request.close_connection = True
        finally:
            with self._lock:
                self.in_flight -= 1
                call.ended = time.monotonic()

    def _answer(self, request: BaseHTTPRequestHandler, call: Call) -> None:
        key = call.headers.get("idempotency-key", "")
        with self._lock:
            known = self._known.get(key) if self.idempotent else None
        reaction = known or self.behave(call)
        time.sleep(0.0 if known else self.latency + reaction.delay)
        if reaction.reset:
            # Zero linger: the peer sees a reset, not an end.
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            request.connection.close()
            return
        data = reaction.raw if reaction.raw is not None else self._completion(call, reaction)
        if _gone(request.connection):
            request.close_connection = True
            return
        if self.idempotent and reaction.status == 200 and not known:
            with self._lock:  # computed is billed, whether or not anybody is there to hear it
                self._known[key] = reaction
                call.billed = True
        request.send_response(reaction.status)
        for name, value in {"Content-Type": "application/json", **reaction.headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if reaction.drip:
            for at in range(len(data)):
                request.wfile.write(data[at : at + 1])
                time.sleep(reaction.drip)
        else:
            request.wfile.write(data)
        with self._lock:
            self.replayed += known is not None
            call.billed = call.billed or (reaction.status == 200 and not known)

    def _completion(self, call: Call, reaction: Reaction) -> bytes:
        message = {"role": "assistant", "content": reaction.content, "refusal": reaction.refusal}
        asked = sum(len(message["content"]) for message in call.body["messages"]) // 4
        with self._lock:
            self.asked += asked
            self.tokens += asked + len(reaction.content or "") // 4
        used = {"prompt_tokens": asked, "completion_tokens": len(reaction.content or "") // 4}
        return json.dumps(
            {
                "id": f"chatcmpl-{call.number}",
                "object": "chat.completion",
                "created": 0,
                "model": call.body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": reaction.finish_reason}],
                **({"usage": {**used, "total_tokens": sum(used.values())}} if reaction.usage else {}),
            }
        ).encode()


def _gone(connection: socket.socket) -> bool:
    """Whether the client has closed the connection."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
