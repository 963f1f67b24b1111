"""A web process for tests: uvicorn in a thread, reached over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn

from video_assets.systems import Systems
from video_assets.web.app import create_app

PASSWORD = "correct horse battery staple"


@dataclass
class Site:
    """A served app, and who has accounts there."""

    address: str
    systems: Systems
    words: dict[str, str] = field(default_factory=dict)
    """Name → token of a session."""
    ids: dict[str, int] = field(default_factory=dict)
    """Name → user id."""

    def client(self, word: str | None = None, **headers: str) -> httpx.Client:
        """A client that sends this token; none where there is none."""
        if word:
            headers["Authorization"] = f"Bearer {word}"
        return httpx.Client(base_url=f"{self.address}/api/v1", headers=headers, timeout=30, trust_env=False)

    def as_(self, name: str) -> httpx.Client:
        """A client signed in as this user; he signs up where he has no account yet."""
        if name not in self.words:
            body = {"email": f"{name}@example.org", "name": name.title(), "password": PASSWORD}
            with self.client() as client:
                answer = client.post("/auth/signup", json=body)
            assert answer.status_code == 201, answer.text
            self.words[name], self.ids[name] = answer.json()["accessToken"], answer.json()["user"]["id"]
        return self.client(self.words[name])


@contextmanager
def served(systems: Systems) -> Iterator[Site]:
    """The app over these systems, on a port of its own."""
    app = create_app(systems)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the web did not start"
        time.sleep(0.01)
    try:
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", systems)
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
        assert not thread.is_alive(), "the web did not stop"
