"""The job remake_light: transcripts, summaries and search documents of many videos in one run.

A single-run backfill would not do: it runs each check once for all of its partitions and materializes all of them, the
failed ones too. Here each video is made, checked and reported by itself, and a bad video fails alone.
"""

import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Manifest, RunInfo, current
from video_assets.defs.describe import describe
from video_assets.defs.failures import plain_words
from video_assets.defs.io_manager import publish_or_withdraw
from video_assets.defs.materialize import materialization_metadata, opened, run_info
from video_assets.errors import PermanentError, one_line
from video_assets.library import queries
from video_assets.recipes import RECIPES, Making
from video_assets.systems import Systems
from video_assets.videos import Stage

REMAKE_LIGHT = "remake_light"
OP = "remake_videos"
LIGHT = (Stage.TRANSCRIPTS, Stage.SUMMARIES, Stage.SEARCH_DOCUMENTS)
log = logging.getLogger(__name__)


class RemakeLight(dg.Config):
    """The videos, and the stages to make of each."""

    video_ids: list[int]
    stages: list[str] = [stage.value for stage in LIGHT]  # noqa: RUF012  (Dagster reads it as a field's default)


@dg.op(name=OP)
def remake(context: dg.OpExecutionContext, config: RemakeLight, systems: dg.ResourceParam[Systems]) -> None:
    """Makes what is missing or stale of these videos, each by itself; fails at the end if any of them failed."""
    run = run_info(context.instance, context.run_id)
    stages = _stages_of(config)
    failed: dict[int, str] = {}
    for number, video_id in enumerate(dict.fromkeys(config.video_ids), start=1):
        try:
            with systems.database.read() as session:
                if queries.video(session, video_id) is None:
                    raise PermanentError(f"there is no video {video_id}")
            for stage in stages:
                _remake_one(context, systems, video_id, stage, run)
        except Exception as error:
            failed[video_id] = plain_words(error)
            context.log.warning(f"video {video_id}: {failed[video_id]}")
        context.log.info(f"{number} of {len(config.video_ids)} videos done")
    if failed:
        some = "; ".join(f"video {video_id}: {words}" for video_id, words in list(failed.items())[:5])
        words = f"{len(failed)} of {len(config.video_ids)} videos failed: {some}"
        videos = {str(video_id): words for video_id, words in failed.items()}
        raise dg.Failure(words, metadata={"message": words, "videos": videos}, allow_retries=False)


@dg.job(name=REMAKE_LIGHT, executor_def=dg.in_process_executor)
def remake_light() -> None:
    """Transcripts, summaries and search documents of a list of videos, in one run."""
    remake()


def _stages_of(config: RemakeLight) -> list[Stage]:
    """The stages to make, in order. Raises a Failure where the run asks for another stage, or for nothing, which would
    otherwise look like success."""
    known = [stage.value for stage in LIGHT]
    unknown = [name for name in config.stages if name not in known]
    words = ""
    if unknown:
        words = f"stages: {one_line(', '.join(unknown), 100)} cannot be made in bulk; name any of {', '.join(known)}"
    elif not config.stages or not config.video_ids:
        words = f"{'stages' if config.video_ids else 'video_ids'}: nothing is named, so there is nothing to make"
    if words:
        raise dg.Failure(words, metadata={"kind": "permanent", "message": words}, allow_retries=False)
    return [stage for stage in LIGHT if stage.value in config.stages]


def video_ids_of(run_config: Mapping[str, Any]) -> tuple[int, ...]:
    """The videos in the configuration of a run of this job."""
    config = run_config.get("ops", {}).get(OP, {}).get("config", {})
    return tuple(video_id for video_id in config.get("video_ids", ()) if isinstance(video_id, int))


def _remake_one(context: dg.OpExecutionContext, systems: Systems, video_id: int, stage: Stage, run: RunInfo) -> None:
    recipe = RECIPES[stage]
    making = Making(systems, video_id, {source: _source(systems, video_id, source) for source in recipe.made_from})
    with opened(stage, making, run) as artifact:
        key, partition = dg.AssetKey(stage.value), str(video_id)
        for outcome in artifact.outcomes:
            context.log_event(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # the signature lags behind what is taken
                    asset_key=key,
                    check_name=outcome.name,
                    passed=outcome.passed,
                    description=outcome.summary,
                    metadata=dict(outcome.metadata),
                    blocking=True,
                    partition=partition,
                )
            )
        manifest = artifact.seal()
        if not artifact.reused:
            publish_or_withdraw(systems, manifest)
        metadata = materialization_metadata(manifest, artifact.reused, describe(making, manifest))
        tags = {"dagster/data_version": manifest.fingerprint, "dagster/code_version": recipe.version}
        context.log_event(dg.AssetMaterialization(key, metadata=metadata, partition=partition, tags=tags))


def _source(systems: Systems, video_id: int, stage: Stage) -> Manifest:
    manifest = current(systems.storage, video_id, stage)
    if manifest is None:
        raise PermanentError(f"video {video_id} has no {stage.value} yet; launch process_video for it")
    return manifest
