"""The library report: tables and plots of sizes, costs and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from video_assets.database.engine import Database
from video_assets.database.models import ArtifactRow, AttemptRow, TranscriptRow, VideoRow
from video_assets.videos import Stage

_VIDEO_COLUMNS = ["video_id", "title", "status", "seconds", "speech_seconds", "language", "created_at", "processed_at"]
_MADE_COLUMNS = ["stage", "video_id", "made_at", "bytes", "wall_seconds", "cpu_seconds", "tokens", "usd"]
_FAILURE_COLUMNS = ["kind", "stage", "runs", "videos", "example"]


@dataclass(frozen=True)
class LibraryFigures:
    """The tables of the report. Times in seconds, sizes in bytes, money in US dollars."""

    videos: pd.DataFrame
    """One row per video; `seconds` and `speech_seconds` are missing until there is a transcript."""
    made: pd.DataFrame
    """One row per current artifact, with the cost of making it."""
    failures: pd.DataFrame
    """Failed runs by kind and stage, most frequent first."""

    @property
    def totals(self) -> pd.DataFrame:
        """One row: videos, ready, failed, hours of video, minutes of speech, bytes, CPU hours, dollars."""
        status = self.videos["status"]
        row = {
            "videos": len(self.videos),
            "ready": int((status == "ready").sum()),
            "failed": int((status == "failed").sum()),
            "hours": round(float(self.videos["seconds"].sum()) / 3600, 3),
            "speech_minutes": round(float(self.videos["speech_seconds"].sum()) / 60, 2),
            "bytes": int(self.made["bytes"].sum()),
            "cpu_hours": round(float(self.made["cpu_seconds"].sum()) / 3600, 3),
            "usd": round(float(self.made["usd"].sum()), 4),
        }
        return _table([row])

    @property
    def stages(self) -> pd.DataFrame:
        """One row per stage, in pipeline order: number of artifacts, times, costs, CPU per second of video."""
        seconds = self.videos.set_index("video_id")["seconds"]
        rows = []
        for stage in Stage:
            made = self.made[self.made["stage"] == stage.value]
            of_video = float(made["video_id"].map(seconds).sum())
            wall, cpu = float(made["wall_seconds"].sum()), float(made["cpu_seconds"].sum())
            rows.append(
                {
                    "stage": stage.value,
                    "made": len(made),
                    "wall_seconds": round(wall, 2),
                    "median_wall_seconds": round(float(made["wall_seconds"].median()), 2) if len(made) else 0.0,
                    "cpu_seconds": round(cpu, 2),
                    "cpu_per_video_second": round(cpu / of_video, 3) if of_video else None,
                    "bytes": int(made["bytes"].sum()),
                    "tokens": int(made["tokens"].sum()),
                    "usd": round(float(made["usd"].sum()), 4),
                }
            )
        return _table(rows)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables to show, by name; the shortest first."""
        return {"totals": self.totals, "stages": self.stages, "failures": self.failures, "videos": self.videos}


def library_figures(database: Database) -> LibraryFigures:
    """Reads the figures from the tables. Only the needed columns, so that 100,000 videos fit into memory."""
    with database.read() as session:
        videos = session.execute(
            select(
                VideoRow.id,
                VideoRow.title,
                VideoRow.status,
                TranscriptRow.duration_seconds,
                TranscriptRow.model_info,
                VideoRow.created_at,
                VideoRow.processed_at,
            )
            .outerjoin(TranscriptRow, TranscriptRow.video_id == VideoRow.id)
            .order_by(VideoRow.id)
        ).all()
        made = session.execute(
            select(
                ArtifactRow.artefact, ArtifactRow.video_id, ArtifactRow.made_at, ArtifactRow.bytes, ArtifactRow.cost
            ).order_by(ArtifactRow.video_id)
        ).all()
        failed = session.execute(
            select(AttemptRow.error_kind, AttemptRow.error_stage, AttemptRow.video_id, AttemptRow.error)
            .where(AttemptRow.state == "failed")
            .order_by(AttemptRow.fence)
        ).all()
    return LibraryFigures(
        videos=_frame(
            [
                (
                    video_id,
                    title,
                    status,
                    seconds,
                    _number(info, "speech_seconds"),
                    (info or {}).get("language"),
                    *times,
                )
                for video_id, title, status, seconds, info, *times in videos
            ],
            _VIDEO_COLUMNS,
            numbers=("seconds", "speech_seconds"),
        ),
        made=_frame(
            [
                (stage, video_id, made_at, size, *(_number(cost, name) or 0.0 for name in _MADE_COLUMNS[4:]))
                for stage, video_id, made_at, size, cost in made
            ],
            _MADE_COLUMNS,
            numbers=("bytes", *_MADE_COLUMNS[4:]),
        ),
        failures=_failures([tuple(row) for row in failed]),
    )


def plots(figures: LibraryFigures, folder: Path) -> list[Path]:
    """Draws the plots as PNG files in `folder`; returns their paths. A plot without data is left out."""
    # Not pyplot, which has global state, chooses a backend by the environment, and is not thread-safe.
    from matplotlib.figure import Figure

    drawn: list[Path] = []

    def draw(name: str, title: str, unit: str, data: pd.Series[Any]) -> None:
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.barh([str(label) for label in data.index], [float(value) for value in data], color="#3b6ea5")
        axes.invert_yaxis()
        axes.set(title=title, xlabel=unit)
        axes.spines[["top", "right"]].set_visible(False)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        drawn.append(path)

    if len(figures.made):
        stages = figures.stages.set_index("stage")
        draw("time_by_stage", "Time to make", "CPU seconds", stages["cpu_seconds"])
        draw("bytes_by_stage", "Stored", "MB", stages["bytes"] / 1e6)
    if len(figures.videos):
        draw("videos_by_status", "Videos", "", figures.videos["status"].value_counts())
    if len(figures.failures):
        draw("failures_by_kind", "Failed runs by kind", "runs", figures.failures.groupby("kind")["runs"].sum())
    return drawn


def _failures(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = _table(rows, ["kind", "stage", "video_id", "error"])
    if frame.empty:
        return _table([], _FAILURE_COLUMNS)
    frame = frame.fillna({"stage": ""})
    grouped = frame.groupby(["kind", "stage"], as_index=False).agg(
        runs=("video_id", "size"), videos=("video_id", "nunique"), example=("error", "last")
    )
    ranked: pd.DataFrame = grouped.sort_values(["runs", "kind", "stage"], ascending=[False, True, True])
    renumbered: pd.DataFrame = ranked.reset_index(drop=True)
    return renumbered


def _frame(rows: list[tuple[Any, ...]], columns: list[str], *, numbers: tuple[str, ...]) -> pd.DataFrame:
    frame = _table(rows, columns)
    for name in numbers:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return frame


def _table(rows: Sequence[Any], columns: Sequence[str] | None = None) -> pd.DataFrame:
    # The stubs call what the constructor returns Any.
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(columns) if columns else None)
    return frame


def _number(values: Any, name: str) -> float | None:
    value = (values or {}).get(name)
    return float(value) if isinstance(value, int | float) else None
