"""Putting right what no event tells of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from video_assets.clock import utc_now
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.operations.compare import Compared, compare
from video_assets.defs.operations.delete import sweep_deleted
from video_assets.defs.operations.unfinished import UNFINISHED, end_dead_runs, is_finished
from video_assets.defs.partitions import VIDEOS
from video_assets.intake.identity import what_is_wrong
from video_assets.intake.sweep import sweep_unfinished, sweep_uploads
from video_assets.intake.work_folder import WORK_PREFIX
from video_assets.library import queries
from video_assets.library.adoption import record_adopted
from video_assets.library.recorded import record_missing
from video_assets.runs.liveness import Silences
from video_assets.systems import Systems

_PURGED_AT_ONCE = 50


def reconcile(systems: Systems, instance: dg.DagsterInstance, *, silences: Silences | None = None) -> list[str]:
    """Puts right what no event tells of; returns a line for each repair. `silences`: of one who calls this again and
    again."""
    now = utc_now()
    repaired = [*end_dead_runs(systems, instance, silences or Silences())]
    if wrong := what_is_wrong(systems.database, systems.storage):  # nothing of another library may be removed
        return [*repaired, f"nothing else was looked at: {wrong}"]
    repaired += sweep_deleted(systems, instance, now)
    repaired += record_adopted(systems.database, systems.storage)
    repaired += record_missing(systems.database, systems.storage)
    repaired += sweep_uploads(systems.database, systems.storage, systems.settings, now)
    repaired += _purge(systems, instance, now)
    repaired += _retire_partitions(systems, instance)
    repaired += _clear_work(systems, instance)
    return repaired


def reconcile_thoroughly(systems: Systems, instance: dg.DagsterInstance, *, hashes: bool = False) -> Compared:
    """The same, and the whole event log read again and every video's rows and files compared with its manifests; with
    `hashes` every byte of them."""
    repaired = reconcile(systems, instance)
    if what_is_wrong(systems.database, systems.storage):  # as said in there
        return Compared(repaired, [])
    repaired += sweep_unfinished(systems.storage, systems.settings, utc_now())
    found = compare(systems, instance, Projector(systems), hashes=hashes)
    return Compared(repaired + found.repaired, found.trouble)


def _purge(systems: Systems, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Runs past their retention, a few at a time, unless they made what is current: deleting a run deletes
    its materializations, and the UI would show the newest of a key as missing."""
    before = now - timedelta(days=systems.settings.run_retention_days)
    ended = [status for status in DagsterRunStatus if status not in UNFINISHED]
    records = instance.get_run_records(
        dg.RunsFilter(statuses=ended, created_before=before), limit=_PURGED_AT_ONCE * 4, ascending=True
    )
    with systems.database.read() as session:
        needed = queries.runs_in_ledger(session, [record.dagster_run.run_id for record in records])
    old = [r.dagster_run.run_id for r in records if r.dagster_run.run_id not in needed][:_PURGED_AT_ONCE]
    for run_id in old:
        instance.delete_run(run_id)
    return [f"{len(old)} runs older than {systems.settings.run_retention_days:g} days purged"] if old else []


def _retire_partitions(systems: Systems, instance: dg.DagsterInstance) -> list[str]:
    """Takes the oldest ready videos' keys out where there are more than PARTITIONS_MAX, as Dagster grows slow
    with them. Never while a backfill is going, which would fail, nor under a run. Whoever launches a run for
    a retired key adds it again."""
    most = systems.settings.partitions_max
    with systems.database.read() as session:
        if sum(queries.counts(session).values()) <= most:
            return []  # the usual case, told without asking Dagster for every key
        ready = queries.oldest_ready(session)
    keys = set(instance.get_dynamic_partitions(VIDEOS))
    surplus = len(keys) - most
    if surplus <= 0 or instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]), limit=1):
        return []
    busy = {run.tags.get("dagster/partition") for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))}
    retired = [key for key in map(str, ready) if key in keys and key not in busy][:surplus]
    for key in retired:
        instance.delete_dynamic_partition(VIDEOS, key)
    return [f"{len(retired)} partition keys of finished videos retired"] if retired else []


def _clear_work(systems: Systems, instance: dg.DagsterInstance) -> Iterator[str]:
    """Work folders of runs that ended without clearing up after themselves (a killed worker)."""
    folder = systems.settings.work_folder
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(WORK_PREFIX) and is_finished(instance, path.name):
            shutil.rmtree(path, ignore_errors=True)
            yield f"work folder of run {path.name[:8]} removed"
