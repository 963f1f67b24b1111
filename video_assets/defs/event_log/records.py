"""Reads Dagster's event log in ascending pages, as what happened to videos.

Not through `@asset_sensor` (it sees only the newest event of a tick) and not through run status sensors
(five events a tick): every materialization and every change of a run's state is read, by storage id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import AssetRecordsFilter, DagsterEventType, EventLogRecord, RunStatusChangeRecordsFilter

from video_assets.videos import Stage

PAGE = 2_000
"""Records of one kind read at a time. Larger than OVERLAP, so that a page always gets past the re-read part."""

OVERLAP = 1_000
"""Storage ids read again each time. On Postgres an id is drawn before its row is committed, so a row can
appear behind a cursor that has already passed it."""

RUN_EVENTS = (
    DagsterEventType.RUN_ENQUEUED,
    DagsterEventType.RUN_START,
    DagsterEventType.RUN_SUCCESS,
    DagsterEventType.RUN_FAILURE,
    DagsterEventType.RUN_CANCELED,
)


@dataclass(frozen=True)
class Page:
    """Some records in ascending order of storage id, and the id up to which none is missing."""

    records: Sequence[EventLogRecord]
    cursor: int
    more: bool


Stream = Callable[[int, int], Sequence[EventLogRecord]]
"""(after storage id, limit) → records of one kind, ascending."""


def read_page(instance: dg.DagsterInstance, after: int, limit: int = PAGE) -> Page:
    """The records whose storage id is above `after`, of all kinds, as far as every kind was read."""
    return merged([stream(after, limit) for stream in streams(instance)], after, limit)


def merged(kinds: Sequence[Sequence[EventLogRecord]], after: int, limit: int) -> Page:
    """One page of several kinds' pages. A kind whose page is full may hold more behind its last record, so
    nothing past the nearest such record is taken: the order across kinds must not break."""
    full = [records[-1].storage_id for records in kinds if len(records) >= limit]
    horizon = min(full) if full else None
    taken = sorted(
        (record for records in kinds for record in records if horizon is None or record.storage_id <= horizon),
        key=lambda record: record.storage_id,
    )
    cursor = horizon if horizon is not None else max((record.storage_id for record in taken), default=after)
    return Page(taken, max(cursor, after), more=bool(full))


def streams(instance: dg.DagsterInstance) -> Iterator[Stream]:
    """One reader a kind of record: the materializations of each asset, each change of a run's state."""
    for stage in Stage:
        yield _materializations(instance, dg.AssetKey(stage.value))
    for kind in RUN_EVENTS:
        yield _run_changes(instance, kind)


def newest_storage_id(instance: dg.DagsterInstance) -> int:
    """The newest id among the kinds read here; 0 for an empty log."""
    newest = 0
    for stage in Stage:
        found = instance.fetch_materializations(dg.AssetKey(stage.value), limit=1).records
        newest = max(newest, *(record.storage_id for record in found), 0)
    for kind in RUN_EVENTS:
        changes = instance.fetch_run_status_changes(kind, limit=1).records
        newest = max(newest, *(record.storage_id for record in changes), 0)
    return newest


def run_records(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, dg.RunRecord]:
    """The run records of these ids, as far as they still exist."""
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
