"""Repairs what no event reports: dead runs, leftovers of deletions and uploads, old runs, missing records."""

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
    """The quick repairs; returns a line for each. `silences`: kept by a caller that calls this repeatedly."""
    now = utc_now()
    repaired = [*end_dead_runs(systems, instance, silences or Silences())]
    if wrong := what_is_wrong(
        systems.database, systems.storage
    ):  # nothing may be removed from another library's storage
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
    """The quick repairs, then the event log is read again from the start, and every video's rows and files are compared
    with its manifests; with `hashes` every byte is read."""
    repaired = reconcile(systems, instance)
    if what_is_wrong(systems.database, systems.storage):  # `reconcile` has a line about it
        return Compared(repaired, [])
    repaired += sweep_unfinished(systems.storage, systems.settings, utc_now())
    found = compare(systems, instance, Projector(systems), hashes=hashes)
    return Compared(repaired + found.repaired, found.trouble)


def _purge(systems: Systems, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Deletes runs past their retention, a few at a time, unless they made a current artifact: deleting a run deletes
    its materializations, and the UI would show the asset as missing."""
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
    """Removes the partition keys of the oldest ready videos where there are more than PARTITIONS_MAX, because Dagster
    becomes slow with many. Not while a backfill runs, which would fail, and not for a video with an unfinished run. A
    launch adds a removed key again."""
    most = systems.settings.partitions_max
    with systems.database.read() as session:
        if sum(queries.counts(session).values()) <= most:
            return []  # the usual case, decided without reading all keys from Dagster
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
    """Removes the work folders of ended runs that did not do it themselves, because their worker was killed."""
    folder = systems.settings.work_folder
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(WORK_PREFIX) and is_finished(instance, path.name):
            shutil.rmtree(path, ignore_errors=True)
            yield f"work folder of run {path.name[:8]} removed"
