"""Whether this process lives, and whether what it depends on answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import text

from video_assets import __version__
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.systems import Systems
from video_assets.web.ask import Asked
from video_assets.web.words import Saying

router = APIRouter(prefix="/health", tags=["health"])
SECONDS = 3.0
"""A dependency that takes longer counts as away."""
KEY = "health/nothing"


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
    found = _looked_at(ask.systems)
    ok = all(each.ok for each in found)
    response.status_code = 200 if ok else 503
    return Health(status="ok" if ok else "unavailable", version=__version__, dependencies=tuple(found))


@router.get("", summary="The same as ready, always with status 200")
def health(ask: Asked) -> Health:
    found = _looked_at(ask.systems)
    status: Literal["ok", "unavailable"] = "ok" if all(each.ok for each in found) else "unavailable"
    return Health(status=status, version=__version__, dependencies=tuple(found))


def _looked_at(systems: Systems) -> list[Dependency]:
    looks: dict[str, Callable[[], object]] = {
        "database": lambda: _ask_database(systems),
        "storage": lambda: systems.storage.stat(KEY),
        "search": lambda: systems.search.ping(),
    }
    # Not a `with`: leaving it would wait for one that hangs.
    pool = ThreadPoolExecutor(len(looks), thread_name_prefix="health")
    begun = time.monotonic()
    under_way = {name: pool.submit(_timed, look) for name, look in looks.items()}
    found = []
    for name, future in under_way.items():
        try:
            detail, milliseconds = future.result(max(0.0, SECONDS - (time.monotonic() - begun)))
        except TooLate:
            detail, milliseconds = f"no answer within {SECONDS:.0f} s", SECONDS * 1000
        found.append(Dependency(name=name, ok=not detail, milliseconds=round(milliseconds, 1), detail=detail))
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _ask_database(systems: Systems) -> None:
    with systems.database.read() as session:
        session.execute(text("SELECT 1"))


def _timed(look: Callable[[], object]) -> tuple[str, float]:
    begun, detail = time.monotonic(), ""
    try:
        look()
    except (PermanentError, TransientError) as error:
        detail = one_line(error, 200)
    except Exception as error:  # a library's own, which the room in between did not foresee
        detail = one_line(error, 200) or type(error).__name__
    return detail, (time.monotonic() - begun) * 1000
