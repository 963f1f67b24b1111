"""uploads_sensor: launches runs for pending videos."""

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from video_assets.clock import utc_now
from video_assets.defs.jobs import process_video
from video_assets.defs.materialize import FORCE_TAG
from video_assets.defs.operations.cancel import cancel_requested
from video_assets.defs.partitions import videos
from video_assets.defs.sensors.poll_within_tick import looks
from video_assets.intake.identity import what_is_wrong
from video_assets.runs import launches
from video_assets.runs.due import Launch, due
from video_assets.systems import LEAST_FREE_BYTES, Systems, free_bytes

_GOING = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_QUEUED = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED]


def build_uploads_sensor(systems: Systems) -> dg.SensorDefinition:
    """The sensor. It decides from rows alone which videos to launch. Each launch has a run key, by which Dagster
    refuses to start it twice."""
    settings = systems.settings

    @dg.sensor(
        name="uploads_sensor",
        job=process_video,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches process_video for pending videos, oldest first, as slots come free.",
    )
    def uploads_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if free_bytes(settings.home) < LEAST_FREE_BYTES:
            return dg.SkipReason(f"the disk of {settings.home.absolute()} is full; runs start again once there is room")
        if apart := what_is_wrong(systems.database, systems.storage):
            return dg.SkipReason(apart)  # runs would be made over another library's files
        for _ in looks(settings.sensor_seconds):
            chosen, found = _look(systems, context.instance)
            if chosen:
                break
        else:
            return dg.SkipReason(found)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=launch.run_key,
                    partition_key=str(launch.video_id),
                    tags=_tags(launch),
                )
                for launch in chosen
            ],
            dynamic_partitions_requests=[videos.build_add_request([str(launch.video_id) for launch in chosen])],
        )

    return uploads_sensor


def _tags(launch: Launch) -> dict[str, str | None]:
    tags = {"video_assets/reason": launch.reason, "video_assets/launch": launch.run_key}
    return tags | ({FORCE_TAG: ",".join(launch.remake)} if launch.remake else {})


def _look(systems: Systems, instance: dg.DagsterInstance) -> tuple[list[Launch], str]:
    """The launches to request now, already recorded; and a line about what was found."""
    settings, now = systems.settings, utc_now()
    cancel_requested(systems, instance)
    # Dagster is queried before the transaction, which keeps others from writing while it is open.
    with systems.database.read() as session:
        asked = launches.open_run_keys(session)
    answered = _runs_by_key(instance, asked) if asked else {}
    queued = _queued_beside_backfills(instance)
    going = instance.get_runs_count(dg.RunsFilter(statuses=_GOING))
    free = max(settings.max_concurrent_runs - going, 0) - queued // 2
    with systems.database.write() as session:
        if asked:
            launches.close_answered(session, answered, now=now, looked_for=asked)
        waiting, live = launches.waiting_and_live(session, limit=4 * settings.max_concurrent_runs + 100)
        chosen = due(waiting, live, free, now, settings)
        recorded = launches.record(session, chosen, claimed_by="uploads_sensor", now=now)
    return recorded, f"{len(waiting)} videos waiting, {going} runs going, {queued} queued"


def _queued_beside_backfills(instance: dg.DagsterInstance) -> int:
    """The number of queued runs, without those of backfills, behind which no upload has to wait."""
    queued = instance.get_runs_count(dg.RunsFilter(statuses=_QUEUED))
    if not queued:
        return 0
    going = instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]))
    ids = [each.backfill_id for each in going]
    if not ids:
        return queued
    return queued - instance.get_runs_count(dg.RunsFilter(statuses=_QUEUED, tags={"dagster/backfill": ids}))


def _runs_by_key(instance: dg.DagsterInstance, run_keys: list[str]) -> dict[str, str]:
    """Run key → run id, for the keys that have a run by now."""
    found = instance.get_runs(dg.RunsFilter(tags={"video_assets/launch": run_keys}))
    return {run.tags["video_assets/launch"]: run.run_id for run in found}
