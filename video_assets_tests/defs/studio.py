"""A studio: settings, systems and an instance, with the verbs that tests of the whole graph speak in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import select

from video_assets.artifacts import Manifest, current
from video_assets.artifacts.captions import put_captions
from video_assets.database.models import Base, VideoRow
from video_assets.definitions import build_defs
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.runner import run_video
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.library.recorded import note_record
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.media.clips import make_clip

CAPTIONS = """WEBVTT

00:00.200 --> 00:01.800
The herons wait near the harbour at dawn.

00:02.000 --> 00:03.800
Add two cups of flour and sugar.
"""
REBUILT = (
    "videos",
    "video_transcripts",
    "video_summaries",
    "video_variants",
    "artifacts",
    "attempts",
    "deleted_videos",
    "upload_metadata",
    "upload_records",
)


class Studio:
    """Settings, systems and an instance, with the verbs of these tests."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, folder: Path) -> None:
        self.settings, self.instance, self.folder = settings, instance, folder
        self.systems = Systems(settings)
        self.definitions = build_defs(settings)

    def with_settings(self, **changes: Any) -> Studio:
        return Studio(self.settings.model_copy(update=changes), self.instance, self.folder)

    def video(self, **more: Any) -> int:
        clip = self.folder / "herons.mp4"
        if not clip.exists():
            make_clip(clip, captions=CAPTIONS)
        return self.upload(clip, **more)

    def upload(self, clip: Path, captions: Path | None = None, **more: Any) -> int:
        systems = self.systems
        return take_in(
            clip,
            NewVideo(claimed_by="test", **more),
            database=systems.database,
            storage=systems.storage,
            settings=self.settings,
            captions=captions,
        ).id

    def correct_captions(self, video_id: int, data: bytes, name: str) -> None:
        """Puts other captions in force, as a house that takes corrections does."""
        put_captions(self.systems.storage, video_id, data, name)
        note_record(self.systems.database, self.systems.storage, video_id)

    def run(self, video_id: int, **more: Any) -> None:
        run_video(self.definitions, self.instance, video_id, reason="test", **more)
        Projector(self.systems).advance(self.instance, 0)

    def job(self, name: str, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        result = self.definitions.resolve_job_def(name).execute_in_process(
            instance=self.instance, run_config=config or {}, raise_on_error=False
        )
        Projector(self.systems).advance(self.instance, 0)
        return result

    def made(self, video_id: int) -> dict[Stage, Manifest]:
        found = {stage: current(self.systems.storage, video_id, stage) for stage in Stage}
        return {stage: manifest for stage, manifest in found.items() if manifest}

    def status(self, video_id: int) -> tuple[str, str | None]:
        with self.systems.database.read() as session:
            row = session.get_one(VideoRow, video_id)
            return row.status, row.status_message

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the tables that can be rebuilt, without surrogate ids, in a fixed order."""
        content: dict[str, list[tuple[Any, ...]]] = {}
        with self.systems.database.read() as session:
            for name in REBUILT:
                table = Base.metadata.tables[name]
                surrogate = {"id"} if name not in ("videos",) else set()
                columns = [column for column in table.columns if column.name not in surrogate]
                content[name] = sorted((tuple(row) for row in session.execute(select(*columns))), key=repr)
        return content
