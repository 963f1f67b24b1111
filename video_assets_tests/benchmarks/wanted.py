"""What would be made of every video of a library, told from rows alone, against only reading those rows."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import insert, select

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import ArtifactRow, UploadRecordRow, VideoRow
from video_assets.library.known import known
from video_assets.media import probe
from video_assets.recipes import wanted
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.media.clips import make_clip

AT_ONCE = 500


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Seconds for all stages of so many videos, and the ratio to the bare reading. Storage is not there at all."""
    count = 500 if quick else 10_000
    folder.mkdir(parents=True)
    clip = make_clip(folder / "clip.mp4")
    facts = probe.probe(clip, max_streams=50, max_pixels=10**9, max_duration=3600).to_facts()
    database = _filled(folder / "tables.db", count, facts)
    settings = Settings(home=folder)
    bare = _timed(lambda: _read(database))
    ours = _timed(lambda: _wanted(database, settings, count))
    return {
        f"what is wanted of {count:,} videos, all stages, seconds (goal 1)": round(ours, 3),
        "reading their rows alone, seconds": round(bare, 3),
        "ratio": round(ours / bare, 2),
    }


def _timed(do: object) -> float:
    assert callable(do)
    do()  # warms caches up
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def _read(database: Database) -> None:
    with database.read() as session:
        session.execute(select(ArtifactRow.video_id, ArtifactRow.content_hash, ArtifactRow.facts)).all()
        session.execute(select(UploadRecordRow.video_id, UploadRecordRow.key, UploadRecordRow.title)).all()


def _wanted(database: Database, settings: Settings, count: int) -> None:
    told = 0
    for first in range(1, count + 1, AT_ONCE):
        with database.read() as session:
            rows = known(session, range(first, first + AT_ONCE))
        told += sum(wanted(stage, each, settings) is not None for each in rows.values() for stage in Stage)
    assert told == count * len(Stage)


def _filled(path: Path, count: int, facts: dict[str, object]) -> Database:
    database, now = Database(f"sqlite:///{path}"), utc_now()
    database.ensure_schema()
    videos = [
        {
            "id": i,
            "title": "t",
            "key": f"videos/{i}/source/a.mp4",
            "status": "ready",
            "created_at": now,
            "updated_at": now,
        }
        for i in range(1, count + 1)
    ]
    records = [
        {"video_id": i, "key": f"videos/{i}/source/a.mp4", "bytes": 1000 + i, "title": f"Talk {i}", "description": None}
        for i in range(1, count + 1)
    ]
    artifacts = [
        {
            "video_id": i,
            "artefact": stage.value,
            "fingerprint": "f" * 64,
            "content_hash": f"{i:064}",
            "manifest_key": "k",
            "run_id": "r",
            "fence": "f",
            "made_at": now,
            "first_made_at": now,
            "code_version": "1",
            "inputs": {},
            "params": {},
            "bytes": 1,
            "cost": {},
            "facts": facts if stage is Stage.UPLOADS else {},
        }
        for i in range(1, count + 1)
        for stage in Stage
    ]
    with database.write() as session:
        for model, rows in ((VideoRow, videos), (UploadRecordRow, records), (ArtifactRow, artifacts)):
            session.execute(insert(model), rows)
    return database
