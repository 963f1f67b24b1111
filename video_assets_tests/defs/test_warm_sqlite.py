"""The warm SQLite storage writes and reads the very files of Dagster's own, through kills, forks and races."""

import gc
import multiprocessing
import os
import shutil
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine

from video_assets.defs.instance.opening import open_instance
from video_assets.defs.instance.warm_engines import SharedEngines
from video_assets.defs.instance.warm_sqlite import OPEN_FILES, WarmSqliteStorage
from video_assets.settings import Settings

KINDS: list[type[DagsterSqliteStorage]] = [WarmSqliteStorage, DagsterSqliteStorage]


THING = dg.AssetKey("thing")


@dg.asset
def thing(context: dg.AssetExecutionContext) -> int:
    context.log.info("made")
    return 1


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "dagster"


def instance_on(kind: type[DagsterSqliteStorage], home: Path) -> dg.DagsterInstance:
    """An instance whose storage is of this kind."""
    home.mkdir(exist_ok=True)
    overrides: dict[str, Any] = {
        "storage": {"module": kind.__module__, "class": kind.__name__, "config": {"base_dir": str(home)}}
    }
    return dg.DagsterInstance.from_config(str(_written(home, overrides)))


def _written(home: Path, configuration: dict[str, Any]) -> Path:
    storage = configuration["storage"]
    (home / "dagster.yaml").write_text(
        f"storage:\n  custom:\n    module: {storage['module']}\n    class: {storage['class']}\n"
        f"    config:\n      base_dir: {storage['config']['base_dir']}\n"
        "telemetry:\n  enabled: false\n",
        encoding="utf-8",
    )
    return home


def told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[int, str, str]]:
    """Everything a run's log says: storage id, kind, words."""
    records = instance.get_records_for_run(run_id).records
    return [
        (record.storage_id, str(record.event_log_entry.dagster_event_type), record.event_log_entry.user_message)
        for record in records
    ]


@pytest.mark.parametrize("writer", KINDS)
def test_either_storage_reads_what_the_other_wrote(writer: type[DagsterSqliteStorage], home: Path) -> None:
    reader = next(kind for kind in KINDS if kind is not writer)
    with instance_on(writer, home) as instance:
        run_id = dg.materialize([thing], instance=instance, tags={"by": "writer"}).run_id
        instance.add_dynamic_partitions("videos", ["1", "2"])
        written = told(instance, run_id)
        assert len(written) > 10
        made = instance.fetch_materializations(THING, limit=10).records
    with instance_on(reader, home) as instance:
        assert told(instance, run_id) == written
        assert instance.fetch_materializations(THING, limit=10).records == made
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert run.tags["by"] == "writer"
        assert instance.get_dynamic_partitions("videos") == ["1", "2"]
        # And goes on in the same files.
        assert dg.materialize([thing], instance=instance).success
        assert len(instance.fetch_materializations(THING, limit=10).records) == 2


def test_the_embedded_instance_uses_it(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert type(instance.event_log_storage).__module__ == WarmSqliteStorage.__module__
        assert type(instance.run_storage).__module__ == WarmSqliteStorage.__module__
        assert type(instance.schedule_storage).__module__ == WarmSqliteStorage.__module__


def _write_and_die(home: Path, told_to: Any) -> None:
    instance = instance_on(WarmSqliteStorage, home)
    run_id = dg.materialize([thing], instance=instance).run_id
    told_to.send((run_id, len(told(instance, run_id))))
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_written_survives_a_killed_process(home: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(home, theirs))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    run_id, count = ours.recv()
    with instance_on(DagsterSqliteStorage, home) as instance:
        assert len(told(instance, run_id)) == count
        assert len(instance.fetch_materializations(THING, limit=10).records) == 1


def _write_many(home: Path, runs: int) -> None:
    with instance_on(WarmSqliteStorage, home) as instance:
        for _ in range(runs):
            dg.materialize([thing], instance=instance)


def test_processes_that_begin_together_lose_nothing(home: Path) -> None:
    with instance_on(WarmSqliteStorage, home):
        pass  # migrated once, as `prepare` does before anything is started
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_write_many, args=(home, 3)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(90)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with instance_on(DagsterSqliteStorage, home) as instance:
        assert instance.get_runs_count() == 9
        assert len(instance.fetch_materializations(THING, limit=100).records) == 9


@pytest.fixture
def warm(home: Path) -> Iterator[dg.DagsterInstance]:
    with instance_on(WarmSqliteStorage, home) as instance:
        yield instance


def _open_files(folder: Path) -> int:
    # Each file once: SQLite keeps a second handle of one back while the first holds a lock on it, and uses it again.
    names = {os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
    return sum(name.startswith(str(folder)) and name.endswith(".db") for name in names)


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files are open")


def _handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def _executed_and_ended(folder: Path) -> list[str]:
    """The files of runs that lie there, and what SQLite keeps beside them while they are open."""
    return sorted(path.name for path in (folder / "history" / "runs").glob("*-*-*-*-*.db*"))


@linux
def test_of_runs_that_have_ended_no_file_is_open_and_no_log_is_left(warm: dg.DagsterInstance, home: Path) -> None:
    run_ids = [dg.materialize([thing], instance=warm).run_id for _ in range(6)]
    assert 0 < _open_files(home) <= 3  # the index, the runs, the ticks
    assert _executed_and_ended(home) == sorted(f"{run_id}.db" for run_id in run_ids)
    # Whoever looks at one later leaves no more behind, and finds everything.
    assert len(told(warm, run_ids[0])) > 10
    assert _open_files(home) <= 3
    assert _executed_and_ended(home) == sorted(f"{run_id}.db" for run_id in run_ids)


@linux
def test_what_is_said_of_a_run_after_its_end_does_not_hold_its_file(warm: dg.DagsterInstance, home: Path) -> None:
    run_id = dg.materialize([thing], instance=warm).run_id
    run = warm.get_run_by_id(run_id)
    assert run is not None
    before = len(told(warm, run_id))
    warm.report_engine_event("its process has ended", run)
    assert len(told(warm, run_id)) == before + 1
    assert _open_files(home) <= 3


@linux
def test_opening_an_instance_leaves_nothing_behind(home: Path) -> None:
    """Each opening left four handles: `up` stood still after nineteen minutes, with every file handle taken."""

    def open_it() -> None:
        # As Dagster itself does for a tick; and as it does elsewhere, without ever disposing of it.
        for instance in (instance_on(WarmSqliteStorage, home), instance_on(WarmSqliteStorage, home)):
            instance.get_runs_count()
            instance.get_dynamic_partitions("videos")
            instance.all_instigator_state()
        instance.dispose()

    open_it()
    before = _handles()
    for _ in range(40):
        open_it()
    assert _handles() <= before


@linux
def test_many_homes_in_one_process_hold_few_files(tmp_path: Path) -> None:
    before = _handles()
    for number in range(OPEN_FILES):
        with instance_on(WarmSqliteStorage, tmp_path / str(number)) as instance:
            instance.get_runs_count()
            instance.get_dynamic_partitions("videos")
    assert _open_files(tmp_path) <= OPEN_FILES
    assert _handles() <= before + 3 * OPEN_FILES  # a file, its log and what its readers share


def test_a_home_that_was_removed_and_made_anew_is_another(home: Path) -> None:
    with instance_on(WarmSqliteStorage, home) as instance:
        dg.materialize([thing], instance=instance)
    shutil.rmtree(home)
    with instance_on(WarmSqliteStorage, home) as instance:
        assert instance.get_runs_count() == 0
        dg.materialize([thing], instance=instance)
    with instance_on(DagsterSqliteStorage, home) as instance:
        assert instance.get_runs_count() == 1


def test_the_file_of_a_purged_run_goes_with_it(warm: dg.DagsterInstance, home: Path) -> None:
    kept, purged = (dg.materialize([thing], instance=warm).run_id for _ in range(2))
    warm.delete_run(purged)
    assert _executed_and_ended(home) == [f"{kept}.db"]


def test_engines_are_forgotten_with_their_registry() -> None:
    """What is called at a fork is never forgotten: it must not keep every engine that ever was."""
    registry = SharedEngines(2)
    registry.get("here", lambda: create_engine("sqlite://"))
    forgotten = weakref.ref(registry)
    del registry
    gc.collect()
    assert forgotten() is None


def test_a_fork_leaves_the_parents_connections_alone(warm: dg.DagsterInstance, home: Path) -> None:
    before = dg.materialize([thing], instance=warm).run_id
    child = multiprocessing.get_context("fork").Process(
        target=dg.materialize, args=([thing],), kwargs={"instance": warm}
    )
    child.start()
    after = dg.materialize([thing], instance=warm).run_id
    child.join(60)
    assert child.exitcode == 0
    assert len(told(warm, before)) == len(told(warm, after)) > 10
    assert len(warm.fetch_materializations(THING, limit=10).records) == 3


def test_shards_are_not_taken_for_runs(warm: dg.DagsterInstance) -> None:
    run_id = dg.materialize([thing], instance=warm).run_id
    assert warm.event_log_storage.get_all_run_ids() == [run_id]  # type: ignore[attr-defined]  # SQLite's
