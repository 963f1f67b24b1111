"""Whether this process lives, and whether what it depends on answers."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from video_assets import __version__
from video_assets.accounts.permissions import Scope
from video_assets.errors import TransientError
from video_assets.web.ask import Ask, Asked
from video_assets.web.problems import Problem
from video_assets.web.words import Saying

router = APIRouter(prefix="/health", tags=["health"])


class Dependency(Saying):
    """One thing that the API needs."""

    name: str = Field(examples=["database"])
    ok: bool
    milliseconds: float
    detail: str = Field(description="One line; empty where all is well.")


class Health(Saying):
    """How it stands."""

    status: Literal["ok", "unavailable"]
    version: str
    dependencies: tuple[Dependency, ...] = ()


@router.get("/live", summary="Whether the process answers at all")
async def health_live() -> Health:
    return Health(status="ok", version=__version__)


@router.get("/ready", summary="Whether every dependency answers")
def health_ready(ask: Asked, response: Response) -> Health:
    found = _shown(ask)
    ok = all(each.ok for each in found)
    response.status_code = 200 if ok else 503
    return Health(status="ok" if ok else "unavailable", version=__version__, dependencies=tuple(found))


@router.get("", summary="The same as ready, always with status 200")
def health(ask: Asked) -> Health:
    found = _shown(ask)
    status: Literal["ok", "unavailable"] = "ok" if all(each.ok for each in found) else "unavailable"
    return Health(status=status, version=__version__, dependencies=tuple(found))


def _shown(ask: Ask) -> list[Dependency]:
    """Words of servers name hosts and users, so only operators get them."""
    try:
        plainly = ask.principal.has(Scope.OPERATE)
    except (Problem, TransientError):
        plainly = False
    return [
        Dependency(
            name=each.name,
            ok=not each.detail,
            milliseconds=each.milliseconds,
            detail=each.detail if plainly or not each.detail else "does not answer as it should",
        )
        for each in ask.web.checks.look()
    ]
