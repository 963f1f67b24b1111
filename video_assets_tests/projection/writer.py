"""A writer in a process of its own. Apart, so that the process loads no test library."""

from __future__ import annotations

import random
from multiprocessing.synchronize import Barrier

from video_assets.database.engine import Database
from video_assets.projection import apply
from video_assets.projection.events import Event
from video_assets.settings import Settings


def write(url: str, events: list[Event], seed: int, start: Barrier) -> None:
    """Applies the events in an order of its own, a few at a time."""
    database = Database(url)
    random.Random(seed).shuffle(events)
    start.wait()
    for first in range(0, len(events), 5):
        apply.apply(database, [(0, event) for event in events[first : first + 5]], Settings(max_lost_workers=3))
    database.dispose()
