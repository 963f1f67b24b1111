"""The map: what Dagster loads."""

from __future__ import annotations

from typing import Any

import dagster as dg

from video_assets.defs.assets.library_report import library_report
from video_assets.defs.assets.search_documents import search_documents
from video_assets.defs.assets.summaries import summaries
from video_assets.defs.assets.transcripts import transcripts
from video_assets.defs.assets.uploads import uploads
from video_assets.defs.assets.variants import variants
from video_assets.defs.bulk_remake import remake_light
from video_assets.defs.checks import standing_checks
from video_assets.defs.io_manager import ManifestIOManager
from video_assets.defs.jobs import audit, process_video
from video_assets.defs.schedules import build_schedules
from video_assets.defs.sensors import build_sensors
from video_assets.settings import Settings
from video_assets.systems import Systems


def build_defs(settings: Settings, overrides: dict[str, Any] | None = None) -> dg.Definitions:
    """The whole graph over these settings. `overrides` replaces resources by name, for tests."""
    systems = Systems(settings)
    resources: dict[str, Any] = {
        "systems": systems,
        "io_manager": ManifestIOManager(systems),
        "nothing": dg.mem_io_manager,
    }
    if settings.storage.startswith("s3://"):
        from video_assets.defs.bucket import bucket_of

        resources["s3"] = bucket_of(settings)
    return dg.Definitions(
        assets=[uploads, variants, transcripts, summaries, search_documents, library_report],
        asset_checks=standing_checks,
        jobs=[process_video, remake_light, audit],
        sensors=build_sensors(systems),
        schedules=build_schedules(settings),
        resources=resources | (overrides or {}),
        # One step at a time in the run's own process: starting a process a step takes 17 to 48 s a run.
        executor=dg.in_process_executor,
    )


defs = build_defs(Settings.load())
