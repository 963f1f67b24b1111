"""variants: every rung of the ladder, poster and storyboard."""

import dagster as dg

from video_assets.artifacts import Manifest
from video_assets.defs.materialize import Events, checks_of, materialize
from video_assets.defs.partitions import videos
from video_assets.defs.progress_log import seldom
from video_assets.recipes import RECIPES
from video_assets.systems import Systems
from video_assets.videos import Stage

STAGE = Stage.VARIANTS


@dg.asset(
    partitions_def=videos,
    group_name="watch",
    kinds={"ffmpeg"},
    owners=["team:video"],
    code_version=RECIPES[STAGE].version,
    # The in-process executor takes steps of equal priority by name, and transcripts sort before variants.
    op_tags={"dagster/priority": "1"},
    check_specs=checks_of(STAGE),
)
def variants(context: dg.AssetExecutionContext, uploads: Manifest, systems: dg.ResourceParam[Systems]) -> Events:
    """Every rung of the ladder as single-file fMP4 HLS, with playlists, poster and storyboard."""
    say = seldom(context.log.info, "encoding")
    yield from materialize(context, systems, STAGE, uploads, say=say)
