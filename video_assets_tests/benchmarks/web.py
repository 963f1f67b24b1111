"""The HTTP API at 100,000 videos, against a bare route with the same query and bytes; what an event stream weighs."""

from __future__ import annotations

import asyncio
import http.client
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import uvicorn
from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from video_assets.accounts import rows
from video_assets.accounts.permissions import Role, Sight, Visibility
from video_assets.clock import utc_now
from video_assets.database.models import VideoRow
from video_assets.library import listing
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.web.api.videos import Videos, VideoSaid
from video_assets.web.app import create_app
from video_assets.web.words import cursor_of

PAGE = 24
STREAMS = 200


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Ratios of the 95th percentile over the bare route, in turns; KiB of memory a stream."""
    count, rounds = (2_000, 50) if quick else (100_000, 400)
    systems = Systems(Settings(home=folder / "home"))
    word = _filled(systems, count)
    app, bare = create_app(systems), _bare(systems)
    with serving(app) as ours, serving(bare) as theirs:
        listed = _ratio(ours, theirs, f"/api/v1/videos?limit={PAGE}", f"/list?limit={PAGE}", word, rounds)
        single = _ratio(ours, theirs, f"/api/v1/videos/{count // 2}", f"/one?id={count // 2}", word, rounds)
        weight = _stream_weight(ours, word)
    return {
        f"a page of {PAGE} among {count:,}, p95 over a bare route (goal 1.3)": round(listed[0], 2),
        "the same, milliseconds": round(listed[1] * 1000, 2),
        "one video, p95 over a bare route (goal 1.3)": round(single[0], 2),
        "the same, milliseconds ": round(single[1] * 1000, 2),
        f"an open stream of {STREAMS}, KiB (goal 70)": round(weight, 1),
    }


def _filled(systems: Systems, count: int) -> str:
    now = utc_now()
    with systems.database.write() as session:
        user = rows.add_user(session, email="a@example.org", name="A", password_hash="", role=Role.ADMIN, now=now)
        _, word = rows.add_token(
            session, user.id, kind="session", name="", scopes=(), now=now, expires_at=now + timedelta(days=1)
        )
    videos = [
        {
            "title": f"Talk {i}",
            "key": f"videos/{i}/source/a.mp4",
            "status": "ready",
            "created_at": now,
            "updated_at": now,
        }
        for i in range(1, count + 1)
    ]
    with systems.database.write() as session:
        session.execute(insert(VideoRow), videos)
    return word


def _bare(systems: Systems) -> Starlette:
    """The same queries and the same bytes, without anything around them."""
    everything, default = Sight(everything=True), Visibility.MEMBERS

    def listed(request: Request) -> Response:
        limit = int(request.query_params["limit"])
        with systems.database.read() as session:
            found = listing.page(session, everything, listing.Wish(limit=limit), default)
        last = cursor_of(found[limit - 1].id)
        said = Videos(items=[VideoSaid.of(card) for card in found[:limit]], next_cursor=last)
        return Response(said.model_dump_json(by_alias=True), media_type="application/json")

    def one(request: Request) -> Response:
        with systems.database.read() as session:
            (card,) = listing.cards(session, [int(request.query_params["id"])], everything, default)
        return Response(VideoSaid.of(card).model_dump_json(by_alias=True), media_type="application/json")

    return Starlette(routes=[Route("/list", listed), Route("/one", one)])


@contextmanager
def serving(app: object) -> Iterator[int]:
    """The app in a thread of this process; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def _ratio(ours: int, theirs: int, path: str, bare: str, word: str, rounds: int) -> tuple[float, float]:
    """p95 of ours over p95 of the bare one, asked in turns; and ours in seconds."""
    asks = (_asking(ours, path, word), _asking(theirs, bare, word))
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 20):
        for ask, times in zip(asks, took, strict=True):
            started = time.perf_counter()
            ask()
            if number >= 20:
                times.append(time.perf_counter() - started)
    mine, bares = (statistics.quantiles(times, n=20)[-1] for times in took)
    return mine / bares, mine


def _asking(port: int, path: str, word: str) -> Callable[[], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask() -> bytes:
        connection.request("GET", path, headers={"Authorization": f"Bearer {word}"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()

    return ask


def _stream_weight(port: int, word: str) -> float:
    process = psutil.Process()
    with ExitStack() as opened:
        before = process.memory_info().rss
        for _ in range(STREAMS):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            head = f"GET /api/v1/videos/events?ids=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {word}\r\n\r\n"
            connection.sendall(head.encode())
            told = b""
            while b"event: video" not in told:
                told += connection.recv(4096)
        grown: int = process.memory_info().rss - before
        return grown / STREAMS / 1024
