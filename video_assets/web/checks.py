"""Whether what the API depends on answers: tables, storage, search."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import text

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.systems import Systems

SECONDS = 3.0
"""A dependency that takes longer counts as away."""
KEPT_SECONDS = 1.0
KEY = "health/nothing"


@dataclass(frozen=True)
class Look:
    """What was found of one dependency."""

    name: str
    milliseconds: float
    detail: str
    """What is wrong, in the words of the server; empty where all is well."""


class Checks:
    """Looks at most once a second, whoever asks how often; one that hangs keeps its threads, and no more than these."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._pool = ThreadPoolExecutor(9, thread_name_prefix="health")
        self._looking = Lock()
        self._last: tuple[float, list[Look]] = (0.0, [])

    def look(self) -> list[Look]:
        """Each dependency, as it was within the last second."""
        with self._looking:
            at, found = self._last
            if not found or time.monotonic() - at > KEPT_SECONDS:
                found = looked_at(self._systems, self._pool)
                self._last = (time.monotonic(), found)
            return found


def looked_at(systems: Systems, pool: ThreadPoolExecutor) -> list[Look]:
    """Looks at all of them at once."""
    looks: dict[str, Callable[[], object]] = {
        "database": lambda: _ask_database(systems),
        "storage": lambda: systems.storage.stat(KEY),
        "search": lambda: systems.search.ping(),
    }
    begun = time.monotonic()
    under_way = {name: pool.submit(_timed, look) for name, look in looks.items()}
    found = []
    for name, future in under_way.items():
        try:
            detail, milliseconds = future.result(max(0.0, SECONDS - (time.monotonic() - begun)))
        except TooLate:
            detail, milliseconds = f"no answer within {SECONDS:.0f} s", SECONDS * 1000
        found.append(Look(name, round(milliseconds, 1), detail))
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
