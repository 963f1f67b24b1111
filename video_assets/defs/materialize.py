"""What all per-video assets have in common: open the artifact, make it unless it is fresh, check it, yield it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, CheckOutcome, Manifest, RunInfo
from video_assets.defs.describe import describe
from video_assets.defs.failures import reported
from video_assets.defs.fences import created_after, fence_of, run_record
from video_assets.defs.partitions import video_id_of
from video_assets.media.sandbox.process import Progress
from video_assets.recipes import RECIPES, Making
from video_assets.systems import Systems
from video_assets.videos import Stage

# The pinned Dagster warns at every output that data versions are beta.
warnings.filterwarnings("ignore", message=".*`data_version`", category=dg.BetaWarning)

FORCE_TAG = "video_assets/force"
Events = Iterator[dg.AssetCheckResult | dg.Output[Manifest]]


def checks_of(stage: Stage) -> list[dg.AssetCheckSpec]:
    """The check specs of this stage, for its asset; each check blocks."""
    return [dg.AssetCheckSpec(name, asset=stage.value, blocking=True) for name in RECIPES[stage].checks]


def run_info(instance: dg.DagsterInstance, run_id: str, stage: Stage | None = None) -> RunInfo:
    """Id, fence and force tag of a run. The tag says `true`, or names the stages that are made again, with commas."""
    record = run_record(instance, run_id)
    tag = record.dagster_run.tags.get(FORCE_TAG, "").lower()
    force = tag == "true" or (stage is not None and stage.value in tag.split(","))
    return RunInfo(run_id, fence_of(instance, record), force, created_after(instance, record))


def materialize(
    context: dg.AssetExecutionContext,
    systems: Systems,
    stage: Stage,
    *sources: Manifest,
    say: Callable[[Progress], None] | None = None,
) -> Events:
    """The body of a per-video asset. Yields the check results, then the manifest; raises Failure or RetryRequested. A
    reused artifact yields its recorded check results again, because Dagster requires them.

    `sources`: the manifests it is made from. `say`: called now and then with an encoder's progress."""

    def rest(seconds: float) -> None:
        systems.rest(video_id_of(context.partition_key), context.run.run_id, stage, seconds)

    def wait_for_room() -> None:
        systems.wait_for_room(video_id_of(context.partition_key), context.run.run_id, stage)

    with reported(stage, context.retry_number, logging.getLogger(__name__), rest, wait_for_room):
        video_id = video_id_of(context.partition_key)
        making = Making(systems, video_id, {each.artefact: each for each in sources}, say)
        with opened(stage, making, run_info(context.instance, context.run.run_id, stage)) as artifact:
            for outcome in artifact.outcomes:
                yield check_result(stage, outcome)
            manifest = artifact.seal()
            metadata = materialization_metadata(manifest, artifact.reused, describe(making, manifest))
            yield dg.Output(manifest, metadata=metadata, data_version=dg.DataVersion(manifest.fingerprint))


@contextmanager
def opened(stage: Stage, making: Making, run: RunInfo) -> Iterator[Artifact]:
    """For the block, the artifact of this stage: made and verified, or reused if it is fresh."""
    recipe = RECIPES[stage]
    wanted = recipe.wanted(making, making.systems.settings)
    with making.systems.bench.artifact(
        stage, making.video_id, run, inputs=wanted.inputs, params=wanted.params, code_version=wanted.code_version
    ) as artifact:
        if not artifact.reused:
            recipe.make(artifact, making)
        yield artifact


def check_result(stage: Stage, outcome: CheckOutcome) -> dg.AssetCheckResult:
    """A check's outcome as Dagster's result."""
    return dg.AssetCheckResult(
        asset_key=stage.value,
        check_name=outcome.name,
        passed=outcome.passed,
        description=outcome.summary,
        metadata=outcome.metadata,
    )


def materialization_metadata(manifest: Manifest, reused: bool, described: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of the materialization. The projection reads `manifest`, the rest is for people."""
    cost = manifest.cost
    return {
        "manifest": dg.MetadataValue.path(manifest.key),
        "reused": reused,
        "fence": manifest.fence,
        "fingerprint": manifest.fingerprint,
        "made_at": dg.MetadataValue.timestamp(manifest.made_at),
        "bytes": manifest.bytes,
        "wall_seconds": cost.wall_seconds,
        "cpu_seconds": cost.cpu_seconds,
        **described,
    }
