"""search_documents: what was put into the search index, and under which version."""

import dagster as dg

from video_assets.artifacts import Manifest
from video_assets.defs.materialize import Events, checks_of, materialize
from video_assets.defs.partitions import videos
from video_assets.recipes import RECIPES
from video_assets.systems import Systems
from video_assets.videos import Stage

STAGE = Stage.SEARCH_DOCUMENTS


@dg.asset(
    partitions_def=videos,
    group_name="search",
    kinds={"sqlite"},
    owners=["team:words"],
    code_version=RECIPES[STAGE].version,
    check_specs=checks_of(STAGE),
)
def search_documents(
    context: dg.AssetExecutionContext, summaries: Manifest, transcripts: Manifest, systems: dg.ResourceParam[Systems]
) -> Events:
    """One document a video and one a passage of about 30 seconds, in the index."""
    yield from materialize(context, systems, STAGE, summaries, transcripts)
