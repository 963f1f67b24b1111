"""The jobs: everything for one video, and the audit of what exists."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.checks import standing_checks
from video_assets.videos import Stage

PROCESS_VIDEO = "process_video"

per_video = dg.AssetSelection.assets(*(stage.value for stage in Stage))

# Without the standing checks, which look at the whole library and would run once for every video. `.without_checks()`
# would not do: it also leaves out the assets' own checks, which Dagster does not allow.
process_video = dg.define_asset_job(
    PROCESS_VIDEO,
    selection=per_video - dg.AssetSelection.checks(*standing_checks),
    executor_def=dg.in_process_executor,
    description="Everything for one video, from the upload to its search documents; only what is missing or stale.",
)

audit = dg.define_asset_job(
    "audit",
    selection=dg.AssetSelection.checks(*standing_checks),
    executor_def=dg.in_process_executor,
    description="Looks at what exists: files there and unaltered, index in step. Changes nothing.",
)
