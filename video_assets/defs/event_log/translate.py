"""Translates Dagster's event records into the projection's events; the only module that knows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import DagsterEventType, EventLogRecord

from video_assets.artifacts.pointer import read_manifest
from video_assets.clock import from_timestamp
from video_assets.defs.bulk_remake import REMAKE_LIGHT, video_ids_of
from video_assets.defs.ends import given_up
from video_assets.defs.partitions import video_id_of
from video_assets.errors import PermanentError, one_line
from video_assets.projection.events import Event, RunChanged, Unusable
from video_assets.projection.fold import IN_BULK
from video_assets.projection.made import made_from_manifest
from video_assets.storage import NotFound, Storage
from video_assets.videos import HANDED_BACK, LAUNCH_LOST, WORKER_LOST, RunState, Stage

STATES = {
    DagsterEventType.RUN_ENQUEUED: RunState.QUEUED,
    DagsterEventType.RUN_START: RunState.STARTED,
    DagsterEventType.RUN_SUCCESS: RunState.SUCCEEDED,
    DagsterEventType.RUN_FAILURE: RunState.FAILED,
    DagsterEventType.RUN_CANCELED: RunState.CANCELED,
}


# Sentences of Dagster's. A test makes the real Dagster produce each, so that a release with other words is noticed.
# Written by the code server when a run's process died, and by nothing else.
DIED = "marked as failed from outside the execution context"
# Written by a run that got a signal which did not come through Dagster: its worker was told to stop, or the machine
# shuts down. The run itself had no error.
INTERRUPTED = "Execution was interrupted unexpectedly"
# Written by a run that failed between its steps, because its storage or its machine failed.
BROKE_OFF = "An exception was thrown during execution"

StepFailures = Callable[[str], Sequence[Mapping[str, Any]]]
"""Run id → the metadata of its step failures; those that we raised have `kind`, `stage` and `message`."""


def made(record: EventLogRecord, storage: Storage) -> Event:
    """Translates a materialization. Unusable, with the reason, where it names no manifest of its video and asset."""
    materialization = record.asset_materialization
    asset = record.asset_key.to_user_string() if record.asset_key else "?"
    partition = record.partition_key

    def unusable(reason: str) -> Unusable:
        payload = {"run": record.run_id}
        return Unusable(kind=f"{asset} materialized", partition=partition, reason=reason, payload=payload)

    if partition is None:
        return unusable("the materialization has no partition, so no video")
    try:
        video_id = video_id_of(partition)
    except PermanentError as error:
        return unusable(one_line(error))
    named = materialization.metadata.get("manifest") if materialization else None
    if named is None or not isinstance(named.value, str):
        return unusable("the materialization names no manifest, so nothing was published with it")
    try:
        manifest = read_manifest(storage, named.value)
    except NotFound:
        return Gone(kind=f"{asset} materialized", partition=partition, reason=f"{named.value} is not in storage")
    except PermanentError as error:
        return unusable(one_line(error))
    if (manifest.video_id, manifest.artefact.value) != (video_id, asset):
        return unusable(f"{named.value} is the manifest of another artifact")
    try:
        return made_from_manifest(manifest, storage)
    except NotFound as error:
        return Gone(kind=f"{asset} materialized", partition=partition, reason=f"{error} is not in storage")
    except (PermanentError, LookupError, TypeError, ValueError) as error:  # damaged since; the other events must go on
        return unusable(one_line(f"{named.value}: {error}"))


class Gone(Unusable):
    """A materialization whose manifest or files are no longer in storage, because the video was deleted, say."""


def run_changed(
    record: EventLogRecord, run: dg.RunRecord | None, fence: Callable[[dg.RunRecord], str], step_failures: StepFailures
) -> list[RunChanged]:
    """Translates a change of a run's state, for each of its videos. Empty where the run no longer exists or is about no
    video. `fence`: run record → fence."""
    event = record.event_log_entry.dagster_event
    if run is None or event is None:
        return []
    dagster_run, state = run.dagster_run, STATES[event.event_type]
    failures = step_failures(dagster_run.run_id) if state is RunState.FAILED else ()
    failed_videos = next((failure["videos"] for failure in failures if "videos" in failure), None)

    def change(video_ids: tuple[int, ...], state: RunState, kind: str, stage: Stage | None, error: str) -> RunChanged:
        return RunChanged(
            video_ids=video_ids,
            run_id=dagster_run.run_id,
            fence=fence(run),
            state=state,
            at=from_timestamp(record.timestamp),
            stages=_stages(dagster_run),
            reason=_reason(dagster_run),
            error_kind=kind,
            error_stage=stage,
            error=error,
        )

    video_ids = _videos_of(dagster_run)
    if not video_ids:
        return []
    if state is not RunState.FAILED:
        return [change(video_ids, state, "", None, "")]
    if failed_videos is None:
        return [change(video_ids, state, *explain(event.message or "", failures, given_up(dagster_run)))]
    # A run over many videos: it failed for those that it names, and succeeded for the others.
    fine = tuple(video_id for video_id in video_ids if str(video_id) not in failed_videos)
    return [
        *(
            change((int(video_id),), state, "permanent", None, one_line(words))
            for video_id, words in failed_videos.items()
        ),
        *([change(fine, RunState.SUCCEEDED, "", None, "")] if fine else []),
    ]


def explain(
    message: str, failures: Sequence[Mapping[str, Any]], cause: tuple[str, str] | None = None
) -> tuple[str, Stage | None, str]:
    """Kind, stage and one line of text for a failed run, from the cause in its tags, the metadata of its step failures
    and its message."""
    # The cause comes first: when we end a run its step fails too, but only because it is stopped.
    if cause := cause or _given_up_before_tags(message):
        return cause[0], None, one_line(cause[1])
    if INTERRUPTED in message:
        return HANDED_BACK, None, "the worker was told to stop in the middle; try again"
    for failure in failures:
        stage = failure.get("stage")
        known = Stage(stage) if stage in {each.value for each in Stage} else None
        words = failure.get("message") or "unexpected error; the run's log has the details"
        return str(failure.get("kind") or "unknown"), known, one_line(str(words))
    if BROKE_OFF in message:
        return WORKER_LOST, None, "the run broke off; try again, its log has the details"
    if DIED in message:
        return WORKER_LOST, None, "the worker died; try again"
    return "launch", None, one_line(message) or "the run could not be started; see its log"


def _given_up_before_tags(message: str) -> tuple[str, str] | None:
    """The cause in a message of an earlier release, which wrote no tags; its event logs are still read."""
    cause, colon, words = message.partition(": ")
    return (cause, words) if colon and cause in (WORKER_LOST, LAUNCH_LOST, HANDED_BACK) else None


def _videos_of(run: dg.DagsterRun) -> tuple[int, ...]:
    partition = run.tags.get("dagster/partition")
    if partition is not None:
        try:
            return (video_id_of(partition),)
        except PermanentError:  # its materializations, if it makes any, say so themselves
            return ()
    return video_ids_of(run.run_config) if run.job_name == REMAKE_LIGHT else ()


def _stages(run: dg.DagsterRun) -> tuple[Stage, ...]:
    if not run.asset_selection:
        return tuple(Stage)
    chosen = {key.to_user_string() for key in run.asset_selection}
    return tuple(stage for stage in Stage if stage.value in chosen)


def _reason(run: dg.DagsterRun) -> str:
    tags = run.tags
    if run.job_name == REMAKE_LIGHT:
        return IN_BULK
    if tags.get("dagster/backfill"):
        return "backfill"
    if tags.get("dagster/parent_run_id"):
        return "re-execution"
    return tags.get("video_assets/reason", "manual")
