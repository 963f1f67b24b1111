"""Why a run ended: our own causes as tags, and the sentences of Dagster that are recognised."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterExecutionInterruptedError
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.retries import RetryMode

from video_assets.defs.ends import give_up, given_up
from video_assets.defs.event_log.translate import BROKE_OFF, DIED, INTERRUPTED, explain


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def last_words(instance: dg.DagsterInstance, run_id: str) -> str:
    (record,) = instance.get_records_for_run(run_id, of_type=DagsterEventType.RUN_FAILURE).records
    event = record.event_log_entry.dagster_event
    assert event is not None
    return event.message or ""


def failed(job: dg.JobDefinition, instance: dg.DagsterInstance) -> str:
    """What Dagster says of the run of a job that fails."""
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it is, Dagster tells of it first
        job.execute_in_process(instance=instance)
    (run,) = instance.get_runs()
    return last_words(instance, run.run_id)


def test_a_run_that_is_given_up_carries_the_cause(instance: dg.DagsterInstance) -> None:
    run = instance.add_run(dg.DagsterRun("job", run_id="11111111-0000-0000-0000-000000000000"))
    assert given_up(run) is None
    give_up(instance, run, "launch_lost", "nobody began it\nin time; try again")
    (ended,) = instance.get_runs()
    assert ended.status is dg.DagsterRunStatus.FAILURE
    assert given_up(ended) == ("launch_lost", "nobody began it in time; try again")
    assert explain("anything", [], given_up(ended)) == ("launch_lost", None, "nobody began it in time; try again")


def test_a_run_that_is_executed_again_does_not_inherit_the_cause(instance: dg.DagsterInstance) -> None:
    run = instance.add_run(dg.DagsterRun("job", run_id="11111111-0000-0000-0000-000000000000"))
    give_up(instance, run, "worker_lost", "its worker died; try again")
    (ended,) = instance.get_runs()
    again = dg.DagsterRun("job", run_id="22222222-0000-0000-0000-000000000000", tags=dict(ended.tags))
    assert given_up(again) is None


def test_dagster_says_of_a_run_that_was_interrupted_what_we_look_for(instance: dg.DagsterInstance) -> None:
    @dg.op
    def interrupted() -> None:
        raise DagsterExecutionInterruptedError

    @dg.job
    def job() -> None:
        interrupted()

    assert INTERRUPTED in failed(job, instance)


def test_dagster_says_of_a_run_that_broke_between_its_steps_what_we_look_for(instance: dg.DagsterInstance) -> None:
    @dg.executor(name="broken")
    def broken(_: dg.InitExecutorContext) -> dg.Executor:
        return Broken()

    @dg.op
    def nothing() -> None:
        return

    @dg.job(executor_def=broken)
    def job() -> None:
        nothing()

    run = instance.create_run_for_job(job)
    list(execute_run_iterator(InMemoryJob(job), run, instance))
    assert BROKE_OFF in last_words(instance, run.run_id)


def test_dagster_says_of_a_run_whose_process_died_what_we_look_for(instance: dg.DagsterInstance) -> None:
    run = instance.add_run(dg.DagsterRun("job", run_id="11111111-0000-0000-0000-000000000000"))
    instance.report_run_failed(run)  # as the code server does
    assert DIED in last_words(instance, run.run_id)


class Broken(dg.Executor):
    """An executor that gives way."""

    @property
    def retries(self) -> RetryMode:
        return RetryMode.DISABLED

    def execute(self, plan_context: object, execution_plan: object) -> Iterator[dg.DagsterEvent]:
        raise RuntimeError("the machine gave way")
