"""The jobs: everything for one video, and the audit of what exists."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.partitions import videos
from video_assets.videos import Stage

PROCESS_VIDEO = "process_video"

per_video = dg.AssetSelection.assets(*(stage.value for stage in Stage))

# Without the standing checks: they look at the whole library and would run once for every video.
# The checks inside the assets run all the same.
process_video = dg.define_asset_job(
    PROCESS_VIDEO,
    selection=per_video.without_checks(),
    partitions_def=videos,
    executor_def=dg.in_process_executor,
    description="Everything for one video, from the verified upload to its search documents. Re-does only what is missing or stale.",
)
