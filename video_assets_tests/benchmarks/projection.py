"""A tick's projection with many finished videos in the tables against one with few."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import ArtifactRow, VideoRow
from video_assets.projection import apply
from video_assets.projection.events import Event, Made
from video_assets.settings import Settings
from video_assets.videos import Stage

EVENTS, TICKS = 10, 60


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Milliseconds of a tick of ten events, with few and with many finished videos, and their ratio."""
    few, many = (100, 1_000) if quick else (1_000, 100_000)
    folder.mkdir(parents=True)
    databases = {count: _filled(folder / f"{count}.db", count) for count in (few, many)}
    took: dict[int, list[float]] = {few: [], many: []}
    for tick in range(TICKS):  # in turns, so that the machine's moods hit both alike
        for count, database in databases.items():
            started = time.perf_counter()
            apply.apply(database, _tick(count, tick), Settings())
            took[count].append(time.perf_counter() - started)
    medians = {count: statistics.median(times) for count, times in took.items()}
    return {
        f"{EVENTS} events with {few:,} finished videos, ms": round(medians[few] * 1000, 2),
        f"{EVENTS} events with {many:,} finished videos, ms": round(medians[many] * 1000, 2),
        "ratio (goal 1.2 at most)": round(medians[many] / medians[few], 3),
    }


def _tick(count: int, tick: int) -> list[tuple[int, Event]]:
    now = utc_now()
    return [
        (
            tick * EVENTS + number + 1,
            Made(
                video_id=(tick * 7919 + number * 104_729) % count + 1,
                stage=Stage.UPLOADS,
                run_id=f"run-{tick}",
                fence=f"{now.timestamp():017.6f}/run-{tick}",
                fingerprint=f"{tick}-{number}",
                content_hash="c",
                manifest_key="m",
                made_at=now,
            ),
        )
        for number in range(EVENTS)
    ]


def _filled(path: Path, count: int) -> Database:
    database = Database(f"sqlite:///{path}")
    database.ensure_schema()
    then = utc_now() - timedelta(days=1)
    with database.write() as session:
        for start in range(1, count + 1, 5_000):
            ids = range(start, min(start + 5_000, count + 1))
            session.execute(
                insert(VideoRow),
                [
                    {
                        "id": i,
                        "title": "v",
                        "key": "k",
                        "status": "ready",
                        "processed_at": then,
                        "created_at": then,
                        "updated_at": then,
                    }
                    for i in ids
                ],
            )
            session.execute(
                insert(ArtifactRow),
                [
                    {
                        "video_id": i,
                        "artefact": stage.value,
                        "fingerprint": "f",
                        "content_hash": "c",
                        "manifest_key": "m",
                        "run_id": "r",
                        "fence": "0",
                        "made_at": then,
                        "first_made_at": then,
                        "code_version": "1",
                        "inputs": {},
                        "params": {},
                        "bytes": 1,
                        "cost": {},
                    }
                    for i in ids
                    for stage in Stage
                ],
            )
    return database
