"""The fence of a run: its place in the order of runs, which holds even if the clock was set back between two of them.

Runs are ordered by creation. The run storage numbers them as they are created. If a run's creation time is before that
of a run with a lower number, the clock was set back, and the run counts as created just after that one. Without this,
two hours of good work were once thrown away: a machine whose clock was two hours ahead had published, and every later
run counted as an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from video_assets.artifacts.pointer import make_fence
from video_assets.errors import TransientError

_A_MOMENT = timedelta(microseconds=1)
"""The smallest difference between two fences."""


def run_record(instance: dg.DagsterInstance, run_id: str) -> dg.RunRecord:
    """The record of a running run; TransientError where the run storage does not have it."""
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        raise TransientError(f"run {run_id} is not in the run storage")
    return record


def fence_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> str:
    """The run's fence: its creation time, then its id. Not from a tag: backfills carry none, and re-executions copy
    their parent's. Only runs of the same video are considered, since no others are compared with it."""
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
    """A function that tells, for the id of another run, whether this run was created after it; None where the run
    storage does not know the other one."""

    def after(run_id: str) -> bool | None:
        other = instance.get_run_record_by_id(run_id)
        return None if other is None else record.storage_id > other.storage_id

    return after
