"""The shape of a standing check: one that looks at the whole library, in the job `audit` or when somebody asks for it.

Dagster adds every check of an asset to each run that a backfill makes of it, so each of a thousand runs would audit a
sample of the whole library. In a run over one partition a standing check therefore says nothing.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from video_assets.systems import Systems
from video_assets.videos import Stage

Look = Callable[[Systems], dg.AssetCheckResult]


def standing_check(stage: Stage, name: str, description: str) -> Callable[[Look], dg.AssetChecksDefinition]:
    """Makes a check of this asset out of a function that looks."""
    spec = dg.AssetCheckSpec(name, asset=stage.value, description=description)

    def make(look: Look) -> dg.AssetChecksDefinition:
        # `can_subset` lets a check give no result at all.
        @dg.multi_asset_check(specs=[spec], name=f"{stage.value}_{name}", description=description, can_subset=True)
        def check(
            context: dg.AssetCheckExecutionContext, systems: dg.ResourceParam[Systems]
        ) -> Iterator[dg.AssetCheckResult]:
            if not is_of_one_video(context.run):
                yield look(systems)

        return check

    return make


def is_of_one_video(run: dg.DagsterRun) -> bool:
    """Whether the run was made for a partition, or for a range of them."""
    return any(
        tag.startswith("dagster/partition") or tag.startswith("dagster/asset_partition_range") for tag in run.tags
    )
