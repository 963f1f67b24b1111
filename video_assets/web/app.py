"""The ASGI app: routes, errors, limits and headers put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from video_assets import __version__
from video_assets.library.watching import Manifests
from video_assets.systems import Systems
from video_assets.web import problems
from video_assets.web.api import (
    accounts,
    artifacts,
    events,
    health,
    operate,
    search,
    sharing,
    tokens,
    uploads,
    videos,
    watch,
)
from video_assets.web.checks import Checks
from video_assets.web.guards import BodyGuard, SecurityHeaders
from video_assets.web.live import Hub
from video_assets.web.rates import Rates
from video_assets.web.signing import Signer, secret_of

PREFIX = "/api/v1"
THREADS = 40
"""Requests at work at once; the others wait. Each may hold a connection to the tables."""


class Web:
    """What one web process has beside the systems."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems
        self.hub = Hub(systems)

    @cached_property
    def checks(self) -> Checks:
        """Looks at what this process depends on."""
        return Checks(self.systems)

    @cached_property
    def manifests(self) -> Manifests:
        """The manifests of what is watched."""
        return Manifests(self.systems.storage)

    def host(self, request: Request) -> str:
        """Where clients reach this web: https://host, without a slash."""
        return self.systems.settings.public_url or str(request.base_url).rstrip("/")

    @cached_property
    def signer(self) -> Signer:
        """Signs addresses of media and upload parts."""
        return Signer(secret_of(self.systems.settings))

    @cached_property
    def rates(self) -> Rates:
        """Counts calls against limits."""
        return Rates(self.systems.settings.rate_limits_url)


def create_app(systems: Systems) -> FastAPI:
    """The app over these systems. Nothing is opened before the first request."""
    web = Web(systems)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        async with web.hub.running():
            yield

    app = FastAPI(
        title="video-assets",
        version=__version__,
        description="Upload videos, watch, search and operate them.",
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # the pages that come with FastAPI load scripts from elsewhere
        redoc_url=None,
        default_response_class=JSONResponse,
        responses={
            status: {"model": problems.ProblemDocument, "content": {problems.MEDIA_TYPE: {}}}
            for status in (400, 401, 403, 404, 422, 503)
        },
        generate_unique_id_function=lambda route: route.name,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.web = web
    problems.install(app)
    # The order decides: `videos/search` and `videos/events` come before `videos/{id}`.
    for module in (health, accounts, tokens, uploads, search, events, artifacts, watch, sharing, operate, videos):
        app.include_router(module.router, prefix=PREFIX)
    app.add_middleware(BodyGuard)
    app.add_middleware(SecurityHeaders)
    return app
