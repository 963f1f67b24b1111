"""A clock that was ahead and is set right costs seconds: not the work of hours, and no sensor stands still."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from sqlalchemy import create_engine, select, text

from video_assets.clock import utc_now
from video_assets.database.models import AttemptRow, OutboxRow
from video_assets.defs.instance.clock_watch import begin_anew_when_the_clock_is_set_back, set_back
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.instance.ticks_of_now import without_the_future
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.defs.studio import Studio

HOURS_AHEAD = timedelta(hours=2)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("clocks")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="240", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        yield Studio(settings, instance, folder)


@contextmanager
def clock_ahead(studio: Studio) -> Iterator[None]:
    """For the block, runs are created and artifacts made by a clock that is two hours ahead."""
    runs = create_engine(f"sqlite:///{studio.settings.dagster_home / 'history' / 'runs.db'}")
    ahead = (
        "CREATE TRIGGER ahead AFTER INSERT ON runs BEGIN UPDATE runs SET "
        "create_timestamp = strftime('%Y-%m-%d %H:%M:%f000', create_timestamp, '+2 hours') WHERE id = NEW.id; END"
    )
    assert studio.definitions.resources is not None
    bench = studio.definitions.resources["systems"].bench
    right, bench.clock = bench.clock, lambda: utc_now() + HOURS_AHEAD
    try:
        with runs.begin() as connection:
            connection.execute(text(ahead))
        yield
    finally:
        bench.clock = right
        with runs.begin() as connection:
            connection.execute(text("DROP TRIGGER ahead"))
        runs.dispose()


def attempts(studio: Studio, video_id: int) -> list[AttemptRow]:
    with studio.systems.database.read() as session:
        chosen = select(AttemptRow).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return list(session.scalars(chosen))


@pytest.mark.timeout(300)
def test_what_a_clock_ahead_published_is_replaced_by_later_runs(studio: Studio) -> None:
    video_id = studio.video()
    with clock_ahead(studio):
        studio.run(video_id)
    ahead = studio.made(video_id)
    assert set(ahead) == set(Stage)

    for _ in range(2):  # and the one after that too
        studio.run(video_id, force=True)
        again = studio.made(video_id)
        assert {stage: again[stage].run_id for stage in Stage} != {stage: ahead[stage].run_id for stage in Stage}
        assert all(again[stage].fence > ahead[stage].fence for stage in Stage)
        ahead = again

    told = attempts(studio, video_id)
    assert [attempt.state for attempt in told] == ["succeeded"] * 3
    assert told[-1].run_id == again[Stage.VARIANTS].run_id, "the attempts are not numbered as they were made"
    assert studio.status(video_id)[0] == "ready"
    assert studio.systems.search.search("harbour")


@pytest.mark.timeout(300)
def test_the_newest_failure_counts_whatever_the_clock_said(studio: Studio, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    with clock_ahead(studio):
        video_id = studio.upload(bad)
        studio.run(video_id)
    studio.run(video_id)
    first, second = attempts(studio, video_id)
    assert first.started_at is not None
    assert second.started_at is not None
    assert first.started_at < second.started_at
    assert studio.status(video_id)[0] == "failed"


@pytest.mark.timeout(300)
def test_a_failed_remaking_is_not_told_after_ready(studio: Studio) -> None:
    with clock_ahead(studio):
        video_id = studio.video()
        studio.run(video_id)
    assert studio.status(video_id)[0] == "ready"
    source = studio.made(video_id)[Stage.UPLOADS].file("source").key
    data = studio.systems.storage.get_bytes(source)
    studio.systems.storage.put_bytes(source, b"destroyed")
    studio.run(video_id, force=True)
    studio.systems.storage.put_bytes(source, data)
    # One that is right again, so that what was ready first is no longer what is current.
    studio.run(video_id, force=True)
    assert [attempt.state for attempt in attempts(studio, video_id)] == ["succeeded", "failed", "succeeded"]
    with studio.systems.database.read() as session:
        told = [row.topic for row in session.scalars(select(OutboxRow)) if str(row.payload["videoId"]) == str(video_id)]
    assert "video.ready" in told
    assert "video.failed" not in told


def sensor_state(name: str, data: SensorInstigatorData) -> InstigatorState:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="any"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)


def test_a_tick_of_the_future_is_none() -> None:
    now = 1_000_000.0
    state = sensor_state("a", SensorInstigatorData(now + 7200, "key", 1, "cursor", now + 7200, now - 5, None, now - 3))
    data = without_the_future(state, now).instigator_data
    assert isinstance(data, SensorInstigatorData)
    assert (data.last_tick_timestamp, data.last_tick_start_timestamp) == (None, None)
    assert (data.cursor, data.last_run_key, data.min_interval) == ("cursor", "key", 1)
    assert (data.last_sensor_start_timestamp, data.last_tick_success_timestamp) == (now - 5, now - 3)


def test_a_tick_of_a_moment_ago_stays() -> None:
    state = sensor_state("a", SensorInstigatorData(99.5, None, 1, None, 100.5))
    assert without_the_future(state, 100.0) is state


def test_the_daemon_of_this_house_is_told_so(studio: Studio) -> None:
    told = sensor_state("a", SensorInstigatorData(time.time() + 7200, None, 1, "cursor", time.time() + 7200))
    studio.instance.add_instigator_state(told)
    found = studio.instance.get_instigator_state(told.instigator_origin_id, told.selector_id)
    assert found is not None
    assert isinstance(found.instigator_data, SensorInstigatorData)
    assert found.instigator_data.last_tick_start_timestamp is None
    assert found.instigator_data.cursor == "cursor"
    (listed,) = [each for each in studio.instance.all_instigator_state() if each.instigator_name == "a"]
    assert listed == found


def test_only_a_step_back_makes_a_daemon_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set_back(1000.0, 1000.0 - 7200)
    assert not set_back(1000.0, 1000.0 + 7200)
    assert not set_back(1000.0, 999.5)
    begun: list[bool] = []
    ahead = 0.0
    monkeypatch.setattr("video_assets.defs.instance.clock_watch.time.time", lambda: time.monotonic() + ahead)
    watch = begin_anew_when_the_clock_is_set_back(lambda: begun.append(True), look_seconds=0.01)
    ahead = 7200.0
    watch.join(0.2)
    assert not begun
    ahead = 0.0
    watch.join(20)
    assert begun == [True]
