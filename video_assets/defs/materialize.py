"""The shape every per-video asset shares: open the artefact, make it unless fresh, check, publish."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, CheckOutcome, Manifest, RunInfo
from video_assets.defs.failures import reported
from video_assets.defs.fences import created_after, fence_of, run_record
from video_assets.defs.partitions import video_id_of
from video_assets.systems import Systems
from video_assets.videos import Stage, from_timestamp

# The pinned Dagster calls the data version of an output beta, at every output of every run's log.
warnings.filterwarnings("ignore", message=".*`data_version`", category=dg.BetaWarning)

FORCE_TAG = "video_assets/force"
Events = Iterator[dg.AssetCheckResult | dg.Output[Manifest]]


@dataclass(frozen=True)
class Recipe:
    """What one making is of: the answer to "is this fresh?" is in here, and how to make it if not."""

    inputs: Mapping[str, str]
    """Name of each input → its content hash."""
    params: Mapping[str, Any]
    code_version: str
    make: Callable[[Artifact], None]
    """Makes and verifies the artefact in its folder."""
    describe: Callable[[Manifest], Mapping[str, Any]] = field(default=lambda manifest: {})
    """Metadata for the Dagster UI."""


def run_info(instance: dg.DagsterInstance, run_id: str) -> RunInfo:
    """Identity and fence of a run."""
    record = run_record(instance, run_id)
    force = record.dagster_run.tags.get(FORCE_TAG, "").lower() == "true"
    return RunInfo(run_id, fence_of(instance, record), force, created_after(instance, record))


def produce(
    context: dg.AssetExecutionContext, systems: Systems, stage: Stage, recipe: Callable[[int], Recipe]
) -> Events:
    """The body of a per-video asset. Yields the check results, then the manifest; raises Failure or
    RetryRequested. A reused artefact yields its recorded check results again, as Dagster wants them."""

    def rest(seconds: float) -> None:
        systems.rest(video_id_of(context.partition_key), context.run.run_id, stage, seconds)

    def wait_for_room() -> None:
        systems.wait_for_room(video_id_of(context.partition_key), context.run.run_id, stage)

    with reported(stage, context.retry_number, logging.getLogger(__name__), rest, wait_for_room):
        video_id = video_id_of(context.partition_key)
        run = run_info(context.instance, context.run.run_id)
        with opened(systems, stage, video_id, run, recipe(video_id)) as (artifact, made):
            for outcome in artifact.outcomes:
                yield check_result(stage, outcome)
            manifest = artifact.seal()
            yield dg.Output(
                manifest,
                metadata=materialization_metadata(manifest, reused=artifact.reused, described=made.describe(manifest)),
                data_version=dg.DataVersion(manifest.fingerprint),
            )


@contextmanager
def opened(
    systems: Systems, stage: Stage, video_id: int, run: RunInfo, recipe: Recipe
) -> Iterator[tuple[Artifact, Recipe]]:
    """The artefact, made and verified or found fresh, until it is published."""
    with systems.bench.artifact(
        stage, video_id, run, inputs=recipe.inputs, params=recipe.params, code_version=recipe.code_version
    ) as artifact:
        if not artifact.reused:
            recipe.make(artifact)
        yield artifact, recipe


def check_result(stage: Stage, outcome: CheckOutcome) -> dg.AssetCheckResult:
    """A check's outcome in Dagster's words."""
    return dg.AssetCheckResult(
        asset_key=stage.value,
        check_name=outcome.name,
        passed=outcome.passed,
        description=outcome.summary,
        metadata=outcome.metadata,
    )


def materialization_metadata(manifest: Manifest, *, reused: bool, described: Mapping[str, Any]) -> dict[str, Any]:
    """What the event says. `manifest` is what the projection follows; the rest is for people."""
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


__all__ = ["FORCE_TAG", "Recipe", "from_timestamp", "opened", "produce", "run_info"]
