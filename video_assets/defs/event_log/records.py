"""Reads every materialization and every change of a run's state from Dagster's event log, in pages by storage id.

Dagster's own sensors do not suffice: `@asset_sensor` sees only the newest event of a tick, and run status sensors take
five events a tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import AssetRecordsFilter, DagsterEventType, EventLogRecord, RunStatusChangeRecordsFilter

from video_assets.videos import Stage

PAGE = 2_000
"""The records of one kind that are read at a time. More than OVERLAP, so that a page always reaches beyond the part
that is read again."""

OVERLAP = 1_000
"""How many storage ids before the cursor are read again each time. On Postgres an id is assigned before its row is
committed, so a row can appear below a cursor that has already passed it."""

RUN_EVENTS = (
    DagsterEventType.RUN_ENQUEUED,
    DagsterEventType.RUN_START,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
)


@dataclass(frozen=True)
class Page:
    """Records in ascending order of storage id, the id up to which all were read, and whether there are more."""

    records: Sequence[EventLogRecord]
    cursor: int
    more: bool


Stream = Callable[[int, int], Sequence[EventLogRecord]]
"""(after storage id, limit) → records of one kind, ascending."""


def read_page(instance: dg.DagsterInstance, after: int, limit: int = PAGE) -> Page:
    """The next records of all kinds with a storage id above `after`."""
    return merged([stream(after, limit) for stream in streams(instance)], after, limit)


def merged(kinds: Sequence[Sequence[EventLogRecord]], after: int, limit: int) -> Page:
    """Merges the pages of several kinds into one. A full page may be followed by more records of its kind, so only
    records up to the lowest last id of a full page are taken: this keeps the order across kinds."""
    full = [records[-1].storage_id for records in kinds if len(records) >= limit]
    horizon = min(full) if full else None
    taken = sorted(
        (record for records in kinds for record in records if horizon is None or record.storage_id <= horizon),
        key=lambda record: record.storage_id,
    )
    cursor = horizon if horizon is not None else max((record.storage_id for record in taken), default=after)
    return Page(taken, max(cursor, after), more=bool(full))


def streams(instance: dg.DagsterInstance) -> Iterator[Stream]:
    """One reader for each kind of record: the materializations of each asset, and each change of a run's state."""
    for stage in Stage:
        yield _materializations(instance, dg.AssetKey(stage.value))
    for kind in RUN_EVENTS:
        yield _run_changes(instance, kind)


def newest_storage_id(instance: dg.DagsterInstance) -> int:
    """The highest storage id among the kinds that are read here; 0 for an empty log."""
    newest = 0
    for stage in Stage:
        found = instance.fetch_materializations(dg.AssetKey(stage.value), limit=1).records
        newest = max(newest, *(record.storage_id for record in found), 0)
    for kind in RUN_EVENTS:
        changes = instance.fetch_run_status_changes(kind, limit=1).records
        newest = max(newest, *(record.storage_id for record in changes), 0)
    return newest


def run_records(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, dg.RunRecord]:
    """Run id → run record, for those of these runs that still exist."""
    found = instance.get_run_records(dg.RunsFilter(run_ids=list(run_ids))) if run_ids else []
    return {record.dagster_run.run_id: record for record in found}


def _materializations(instance: dg.DagsterInstance, key: dg.AssetKey) -> Stream:
    def read(after: int, limit: int) -> Sequence[EventLogRecord]:
        chosen = AssetRecordsFilter(asset_key=key, after_storage_id=after)
        return instance.fetch_materializations(chosen, limit=limit, ascending=True).records

    return read


def _run_changes(instance: dg.DagsterInstance, kind: DagsterEventType) -> Stream:
    def read(after: int, limit: int) -> Sequence[EventLogRecord]:
        chosen = RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=after)  # type: ignore[arg-type]
        return instance.fetch_run_status_changes(chosen, limit=limit, ascending=True).records

    return read
