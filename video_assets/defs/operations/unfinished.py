"""Finds runs that have not ended, and ends the dead ones."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
from dagster import DagsterRunStatus

from video_assets.defs.bulk_remake import REMAKE_LIGHT
from video_assets.defs.ends import give_up
from video_assets.library import queries
from video_assets.runs import heartbeat
from video_assets.runs.liveness import RunSeen, Silences, Verdict, dead_runs
from video_assets.systems import Systems

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


_WATCHED = {
    DagsterRunStatus.NOT_STARTED: "created",
    DagsterRunStatus.STARTING: "starting",
    DagsterRunStatus.STARTED: "started",
    DagsterRunStatus.CANCELING: "canceling",
}


def unfinished_runs(instance: dg.DagsterInstance, video_id: int) -> list[dg.DagsterRun]:
    """The video's runs that have not ended."""
    chosen = dg.RunsFilter(statuses=UNFINISHED, tags={"dagster/partition": str(video_id)})
    return list(instance.get_runs(chosen))


def is_finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the run has ended or does not exist."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def end_dead_runs(systems: Systems, instance: dg.DagsterInstance, silences: Silences) -> list[str]:
    """Ends runs whose worker is gone, which no launcher notices; returns a line about each. Then the projection makes
    the video pending again, and the uploads sensor launches it."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(_WATCHED)))
    # Only runs over videos have heartbeats; an audit has none, however long it takes.
    seen = [_seen(record) for record in records if _has_heartbeat(record.dagster_run)]
    with systems.database.read() as session:
        beats = queries.heartbeats(session, [run.run_id for run in seen])
        now = systems.database.now(session)
    said = []
    for verdict in dead_runs(seen, beats, silences.seconds(seen, beats, now), systems.settings):
        run = instance.get_run_by_id(verdict.run_id)
        if run is None or run.is_finished:
            continue
        _end(instance, run, verdict)
        with systems.database.write() as session:
            heartbeat.clear(session, verdict.run_id)
        said.append(f"run {verdict.run_id[:8]}: {verdict.kind}, {verdict.message}")
    with systems.database.write() as session:
        heartbeat.clear_before(session, now - timedelta(days=1))
    return said


def _seen(record: dg.RunRecord) -> RunSeen:
    # Dagster writes one time by the database's clock, the other by that of the process that changed the run, which may
    # be ahead.
    since = max(record.create_timestamp, record.update_timestamp)
    return RunSeen(record.dagster_run.run_id, _WATCHED[record.dagster_run.status], since)


def _has_heartbeat(run: dg.DagsterRun) -> bool:
    return "dagster/partition" in run.tags or run.job_name == REMAKE_LIGHT


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, verdict: Verdict) -> None:
    if verdict.kind == "canceled":
        instance.report_run_canceled(run, message=verdict.message)
    else:
        give_up(instance, run, verdict.kind, verdict.message)
