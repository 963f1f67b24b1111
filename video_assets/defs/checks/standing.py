"""What all standing checks have in common: they look at the whole library, in the job `audit` or on request.

Dagster adds every check of an asset to each run of a backfill, so each of a thousand runs would audit a sample of the
whole library. Therefore a standing check gives no result in a run over a partition.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from video_assets.systems import Systems
from video_assets.videos import Stage

Look = Callable[[Systems], dg.AssetCheckResult]


def standing_check(stage: Stage, name: str, description: str) -> Callable[[Look], dg.AssetChecksDefinition]:
    """A decorator that makes a standing check of this asset from a function that examines the library."""
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
    """Whether the run is over a partition or a range of partitions."""
    return any(
        tag.startswith("dagster/partition") or tag.startswith("dagster/asset_partition_range") for tag in run.tags
    )
