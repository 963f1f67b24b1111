"""uploads: the verified source."""

import dagster as dg

from video_assets.defs.materialize import Events, checks_of, materialize
from video_assets.defs.partitions import videos
from video_assets.recipes import RECIPES
from video_assets.systems import Systems
from video_assets.videos import Stage

STAGE = Stage.UPLOADS


@dg.asset(
    partitions_def=videos,
    group_name="intake",
    kinds={"ffmpeg"},
    owners=["team:video"],
    code_version=RECIPES[STAGE].version,
    check_specs=checks_of(STAGE),
)
def uploads(context: dg.AssetExecutionContext, systems: dg.ResourceParam[Systems]) -> Events:
    """The uploaded object, verified: what it is, how long, what can be copied instead of encoded."""
    yield from materialize(context, systems, STAGE)
