"""summaries: what a video is about, and where its subjects begin."""

import dagster as dg

from video_assets.artifacts import Manifest
from video_assets.defs.materialize import Events, checks_of, materialize
from video_assets.defs.partitions import videos
from video_assets.recipes import RECIPES
from video_assets.systems import Systems
from video_assets.videos import Stage

STAGE = Stage.SUMMARIES


@dg.asset(
    partitions_def=videos,
    group_name="words",
    kinds={"python"},
    owners=["team:words"],
    code_version=RECIPES[STAGE].version,
    check_specs=checks_of(STAGE),
)
def summaries(context: dg.AssetExecutionContext, transcripts: Manifest, systems: dg.ResourceParam[Systems]) -> Events:
    """Four to six sentences, chapters with their starts, tags."""
    yield from materialize(context, systems, STAGE, transcripts)
