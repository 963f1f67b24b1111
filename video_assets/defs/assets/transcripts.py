"""transcripts: what is said, when."""

import dagster as dg

from video_assets.artifacts import Manifest
from video_assets.defs.materialize import Events, checks_of, materialize
from video_assets.defs.partitions import videos
from video_assets.recipes import RECIPES
from video_assets.systems import Systems
from video_assets.videos import Stage

STAGE = Stage.TRANSCRIPTS


@dg.asset(
    partitions_def=videos,
    group_name="words",
    kinds={"whisper"},
    owners=["team:words"],
    code_version=RECIPES[STAGE].version,
    check_specs=checks_of(STAGE),
)
def transcripts(context: dg.AssetExecutionContext, uploads: Manifest, systems: dg.ResourceParam[Systems]) -> Events:
    """Segments with their times, from captions or by recognition, as JSON, WebVTT and text."""
    yield from materialize(context, systems, STAGE, uploads)
