"""Our own graph, with each run's steps executed as `BENCH_EXECUTOR` says instead of as the job itself does."""

from __future__ import annotations

import dagster as dg

from video_assets.defs import jobs
from video_assets.defs.checks import standing_checks
from video_assets_tests.benchmarks.idle import EXECUTOR

# Before anything else takes the job from there.
jobs.process_video = dg.define_asset_job(
    jobs.PROCESS_VIDEO, selection=jobs.per_video - dg.AssetSelection.checks(*standing_checks), executor_def=EXECUTOR
)

from video_assets.definitions import build_defs  # noqa: E402
from video_assets.settings import Settings  # noqa: E402

defs = build_defs(Settings.load())
