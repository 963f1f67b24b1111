"""Runs over Celery: which queue, what a launcher does while the broker is away, what a worker begins."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest
import redis
from billiard.exceptions import WorkerLostError
from celery.signals import task_failure
from dagster import DagsterRunStatus
from dagster._core.launcher import LaunchRunContext
from dagster._core.test_utils import create_run_for_test
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_celery.launcher import CeleryRunLauncher
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage

from video_assets.database.engine import Database
from video_assets.defs.ends import given_up
from video_assets.defs.instance import worker
from video_assets.defs.instance.launcher import WAITING_TAG, WarmRunLauncher
from video_assets.defs.instance.queues import BACKFILL, QUEUES, RUNS, queue_of
from video_assets.settings import Settings
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.e2e.production import queues, write_instance


@pytest.mark.parametrize(
    ("job", "tags", "queue"),
    [
        ("process_video", {}, RUNS),
        ("process_video", {"video_assets/reason": "upload"}, RUNS),
        ("__ASSET_JOB", {"dagster/backfill": "abc"}, BACKFILL),
        ("remake_light", {}, BACKFILL),
        ("audit", {}, BACKFILL),
        ("remake_light", {"dagster-celery/queue": RUNS}, RUNS),
        ("process_video", {"dagster-celery/queue": "no queue of ours"}, RUNS),
    ],
)
def test_what_somebody_waits_for_does_not_queue_behind_a_backfill(job: str, tags: dict[str, str], queue: str) -> None:
    assert queue_of(job, tags) == queue
    assert QUEUES[0] == RUNS, "workers look into the queues in this order"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One that two threads can use."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def broker(redis_url: str) -> Iterator[str]:
    with queues(redis_url) as url:
        yield url


def launcher_of(instance: dg.DagsterInstance, broker: str) -> WarmRunLauncher:
    launcher = WarmRunLauncher(broker)
    launcher.register_instance(instance)
    return launcher


def waiting(broker: str, queue: str) -> int:
    with redis.Redis.from_url(broker) as client:
        return int(client.llen(queue))


def starting(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run: dg.DagsterRun = create_run_for_test(instance, "process_video", status=DagsterRunStatus.STARTING, tags=tags)
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def launch(launcher: WarmRunLauncher, run: dg.DagsterRun) -> None:
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))


def test_a_run_goes_into_its_queue(instance: dg.DagsterInstance, broker: str) -> None:
    launcher = launcher_of(instance, broker)
    launch(launcher, starting(instance))
    launch(launcher, starting(instance, **{"dagster/backfill": "abc"}))
    launch(launcher, starting(instance, **{"dagster/backfill": "abc"}))
    assert (waiting(broker, RUNS), waiting(broker, BACKFILL)) == (1, 2)


def test_while_the_broker_is_away_a_launch_waits_for_it(
    on_disk: dg.DagsterInstance, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("video_assets.defs.instance.launcher.WAIT_SECONDS", 0.1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        launcher = launcher_of(on_disk, f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
        run = starting(on_disk)
        launching = threading.Thread(target=launch, args=(launcher, run), daemon=True)
        launching.start()
        wait_for("the launch to say that it waits", lambda: WAITING_TAG in found(on_disk, run).tags, 20)
        assert status(on_disk, run) is DagsterRunStatus.STARTING
        launcher.celery = launcher_of(on_disk, broker).celery  # as if it had come back
        launching.join(20)
    assert not launching.is_alive()
    assert waiting(broker, RUNS) == 1


def test_a_launch_that_nobody_wants_any_more_stops_waiting(
    on_disk: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("video_assets.defs.instance.launcher.WAIT_SECONDS", 0.1)
    launcher = launcher_of(on_disk, "redis://127.0.0.1:1/0")
    run = starting(on_disk)
    launching = threading.Thread(target=launch, args=(launcher, run), daemon=True)
    launching.start()
    wait_for("the launch to say that it waits", lambda: WAITING_TAG in found(on_disk, run).tags, 20)
    assert launcher.terminate(run.run_id)
    launching.join(20)
    assert not launching.is_alive()
    assert status(on_disk, run) is DagsterRunStatus.CANCELED


def found(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    again = instance.get_run_by_id(run.run_id)
    assert again is not None
    return again


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        (DagsterRunStatus.STARTING, True, DagsterRunStatus.CANCELED),
        (DagsterRunStatus.STARTED, True, DagsterRunStatus.CANCELING),
        (DagsterRunStatus.SUCCESS, False, DagsterRunStatus.SUCCESS),
    ],
)
def test_cancelling_needs_no_broker(
    instance: dg.DagsterInstance, before: DagsterRunStatus, answer: bool, after: DagsterRunStatus
) -> None:
    run = create_run_for_test(instance, "process_video", status=before)
    assert launcher_of(instance, "redis://127.0.0.1:1/0").terminate(run.run_id) is answer
    assert status(instance, run) is after


@pytest.mark.parametrize(
    "state",
    [
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
        DagsterRunStatus.CANCELED,
        DagsterRunStatus.FAILURE,
        DagsterRunStatus.SUCCESS,
    ],
)
def test_a_message_that_comes_twice_begins_nothing(
    instance: dg.DagsterInstance, begun: list[str], state: DagsterRunStatus
) -> None:
    run = create_run_for_test(instance, "process_video", status=state)
    worker.execute_run(run.run_id)
    worker.execute_run("00000000-0000-0000-0000-000000000000")
    assert begun == []
    assert status(instance, run) is state, "Dagster itself would have failed it"
    fresh = starting(instance)
    worker.execute_run(fresh.run_id)
    assert begun == [fresh.run_id]


def test_of_two_messages_at_once_one_begins_the_run(
    instance: dg.DagsterInstance, begun: list[str], tables: Database
) -> None:
    run = starting(instance)
    with tables.only_one(f"run {run.run_id}") as another_worker:
        assert another_worker
        worker.execute_run(run.run_id)
    assert begun == []
    worker.execute_run(run.run_id)
    assert begun == [run.run_id]


@pytest.mark.parametrize(("stopping", "kind"), [(False, "worker_lost"), (True, "handed_back")])
def test_a_child_that_dies_has_its_run_failed_at_once_and_by_whose_doing_is_told(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, stopping: bool, kind: str
) -> None:
    """A child that is interrupted before its run is under way dies of it, and cannot say so itself."""
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(instance))
    run, interrupted = starting(instance), threading.Event()
    with worker._failing_runs_of_dead_children(interrupted):
        if stopping:
            interrupted.set()
        task_failure.send(sender=None, exception=WorkerLostError("signal 15"), args=[run.run_id])
    assert status(instance, run) is DagsterRunStatus.FAILURE
    (ended,) = instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    cause = given_up(ended)
    assert cause is not None
    assert cause[0] == kind


@pytest.fixture
def tables(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'tables.db'}")


@pytest.fixture
def begun(instance: dg.DagsterInstance, tables: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the runs that this process, as a worker, has begun."""
    ids: list[str] = []
    monkeypatch.setattr(worker, "_instance", lambda: instance)
    monkeypatch.setattr(worker, "_database", lambda: tables)
    monkeypatch.setattr(worker, "_execute_run_command_body", lambda **given: ids.append(given["run_id"]))
    return ids


def test_the_production_instance_is_what_it_should_be(
    tmp_path: Path, postgres_database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        home=tmp_path,
        dagster_database_url=postgres_database.replace("+psycopg2", ""),
        celery_broker_url=redis_url,
        logs_bucket="logs",
        s3_endpoint_url="http://127.0.0.1:1",
        max_concurrent_runs=3,
    )
    write_instance(settings)
    with settings.exported(), dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert isinstance(instance.run_launcher, WarmRunLauncher)
        assert isinstance(instance.run_launcher, CeleryRunLauncher)
        assert instance.run_launcher.celery.conf.broker_url == redis_url
        assert isinstance(instance.run_storage, PostgresRunStorage)
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        assert isinstance(instance.compute_log_manager, S3ComputeLogManager)
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert limits.max_concurrent_runs == 3
        assert [each["key"] for each in limits.tag_concurrency_limits] == ["dagster/backfill"]
        assert not instance.run_monitoring_enabled
        assert instance.get_settings("telemetry") == {"enabled": False}
        assert instance.get_settings("sensors")["use_threads"]
        assert instance.get_settings("retention")["sensor"]["purge_after_days"]
