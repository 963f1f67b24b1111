"""A run's place in the order of runs, also where the clock was set back between two of them.

The order is that of creation. The run storage numbers its runs as they are created, so a run whose clock says that it
was created before one of a lower number is of a clock that was set back: it counts as created just after that one.
Without this, two hours of right work were thrown away once: a machine whose clock had been two hours ahead had
published, and every later run was taken for an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from video_assets.artifacts.pointer import make_fence
from video_assets.errors import TransientError

_A_MOMENT = timedelta(microseconds=1)
"""The least by which two fences can differ."""


def run_record(instance: dg.DagsterInstance, run_id: str) -> dg.RunRecord:
    """The record of a run that is going; TransientError where the storage does not have it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise TransientError(f"run {run_id} is not in the run storage")
    return record


def fence_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> str:
    """The run's fence: when it was created, then its id; never a tag, as backfills carry none and re-executions copy
    their parent's. Only runs of the same video are looked at: no others are ever compared with it."""
    created, run = record.create_timestamp, record.dagster_run
    partition = run.tags.get("dagster/partition")
    if partition is not None:
        before = instance.get_run_records(
            dg.RunsFilter(tags={"dagster/partition": partition}, created_after=created),
            cursor=run.run_id,
            order_by="create_timestamp",
            limit=1,
        )
        for ahead in before:
            created = max(created, ahead.create_timestamp + (record.storage_id - ahead.storage_id) * _A_MOMENT)
    return make_fence(created, run.run_id)


def created_after(instance: dg.DagsterInstance, record: dg.RunRecord) -> Callable[[str], bool | None]:
    """Whether this run was created after another, by the other's id; None where the run storage does not know the
    other, so that nobody can tell."""

    def after(run_id: str) -> bool | None:
        other = instance.get_run_record_by_id(run_id)
        return None if other is None else record.storage_id > other.storage_id

    return after
