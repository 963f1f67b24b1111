"""The library's figures, from rows alone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from video_assets.database.engine import Database
from video_assets.database.models import ArtifactRow, AttemptRow, TranscriptRow, VideoRow
from video_assets.library.report import library_figures, plots
from video_assets.videos import Stage

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'tables.db'}")
    database.ensure_schema()
    return database


def test_an_empty_library_has_figures_and_no_pictures(database: Database, tmp_path: Path) -> None:
    figures = library_figures(database)
    assert figures.totals.to_dict("records") == [
        {
            "videos": 0,
            "ready": 0,
            "failed": 0,
            "hours": 0.0,
            "speech_minutes": 0.0,
            "bytes": 0,
            "cpu_hours": 0.0,
            "usd": 0.0,
        }
    ]
    assert list(figures.stages["made"]) == [0] * len(Stage)
    assert figures.failures.empty
    assert plots(figures, tmp_path) == []


def test_hours_speech_cost_and_failures_add_up(database: Database, tmp_path: Path) -> None:
    _add(database, 1, "ready", seconds=3600, speech=600.0, wall=100.0, cpu=180.0)
    _add(database, 2, "ready", seconds=1800, speech=None, wall=50.0, cpu=90.0)
    _add(database, 3, "failed")
    _fail(database, 3, "permanent", "variants", "first")
    _fail(database, 3, "permanent", "variants", "the later one")
    _fail(database, 2, "worker_lost", None, "gone")
    figures = library_figures(database)

    (totals,) = figures.totals.to_dict("records")
    assert (totals["videos"], totals["ready"], totals["failed"]) == (3, 2, 1)
    assert (totals["hours"], totals["speech_minutes"], totals["usd"]) == (1.5, 10.0, 0.5)
    variants = figures.stages.set_index("stage").loc["variants"]
    assert (variants["made"], variants["wall_seconds"], variants["median_wall_seconds"]) == (2, 150.0, 75.0)
    assert variants["cpu_per_video_second"] == pytest.approx(270 / 5400)
    assert figures.failures.to_dict("records") == [
        {"kind": "permanent", "stage": "variants", "runs": 2, "videos": 1, "example": "the later one"},
        {"kind": "worker_lost", "stage": "", "runs": 1, "videos": 1, "example": "gone"},
    ]
    names = [path.stem for path in plots(figures, tmp_path)]
    assert names == ["time_by_stage", "bytes_by_stage", "videos_by_status", "failures_by_kind"]


def _add(
    database: Database,
    video_id: int,
    status: str,
    *,
    seconds: int | None = None,
    speech: float | None = None,
    wall: float = 0.0,
    cpu: float = 0.0,
) -> None:
    with database.write() as session:
        session.add(VideoRow(id=video_id, title="t", key="k", status=status, created_at=NOW, updated_at=NOW))
        session.flush()
        if seconds is None:
            return
        info = {"language": "en"} | ({} if speech is None else {"speech_seconds": speech})
        session.add(
            TranscriptRow(
                video_id=video_id,
                transcript_text="",
                transcript_path="p",
                status="ready",
                duration_seconds=seconds,
                model_info=info,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        session.add(
            ArtifactRow(
                video_id=video_id,
                artefact="variants",
                fingerprint="f",
                content_hash="c",
                manifest_key="m",
                run_id="r",
                fence="1",
                made_at=NOW,
                first_made_at=NOW,
                code_version="v",
                inputs={},
                params={},
                bytes=10,
                cost={"wall_seconds": wall, "cpu_seconds": cpu, "usd": 0.25},
            )
        )


def _fail(database: Database, video_id: int, kind: str, stage: str | None, error: str) -> None:
    with database.write() as session:
        number = session.query(AttemptRow).count()
        session.add(
            AttemptRow(
                video_id=video_id,
                run_id=f"run-{number}",
                fence=f"{number:05}",
                number=number,
                reason="upload",
                stages=[],
                state="failed",
                error_kind=kind,
                error_stage=stage,
                error=error,
                finished_at=NOW + timedelta(number),
            )
        )
