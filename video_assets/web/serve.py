"""Serves the app with uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.web.app import THREADS, create_app

DRAIN_SECONDS = 3
"""What requests under way have when it is told to stop. Without it open event streams outlive SIGTERM."""
IDLE_SECONDS = 30
"""A connection without a request is closed then."""


class _Server(uvicorn.Server):
    """Ends the event streams first: their clients come back to another process, and drop nothing."""

    def __init__(self, config: uvicorn.Config, app: object) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.web.hub.close()  # type: ignore[attr-defined]
        await super().shutdown(sockets)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C. PermanentError where the port cannot be used."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        what = f"{host}:{port} cannot be used ({error.strerror or error}); name another with --host and --port"
        raise PermanentError(one_line(what)) from None
    app = create_app(Systems(settings, connections=THREADS + 8))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws="none",
    )
    with listening:
        asyncio.run(_Server(config, app).serve(sockets=[listening]))
