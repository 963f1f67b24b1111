"""The warm Postgres storage: few connections, none shared over a fork, none lost to a server that was started again."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import pytest
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool

from video_assets.defs.instance.warm_postgres import KEPT_CONNECTIONS, WarmPostgresStorage

Open = Callable[[type[DagsterPostgresStorage]], dg.DagsterInstance]


@dg.asset
def thing(context: dg.AssetExecutionContext) -> int:
    context.log.info("made")
    return 1


@pytest.fixture
def instance_on(postgres_database: str, tmp_path: Path) -> Iterator[Open]:
    """Opens instances over one Postgres database."""
    opened = []

    def open_on(kind: type[DagsterPostgresStorage]) -> dg.DagsterInstance:
        home = tmp_path / kind.__name__
        home.mkdir()
        (home / "dagster.yaml").write_text(
            f"storage:\n  custom:\n    module: {kind.__module__}\n    class: {kind.__name__}\n    config:\n"
            f"      postgres_url: {postgres_database.replace('+psycopg2', '')}\ntelemetry:\n  enabled: false\n",
            encoding="utf-8",
        )
        opened.append(dg.DagsterInstance.from_config(str(home)))
        return opened[-1]

    yield open_on
    for instance in opened:
        instance.dispose()


def backend(instance: dg.DagsterInstance) -> int:
    """The number of the server's process behind the next statement."""
    with instance.event_log_storage._engine.connect() as connection:  # type: ignore[attr-defined]
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_a_run_opens_a_few_connections_instead_of_hundreds(instance_on: Open) -> None:
    opened = []
    for kind in (DagsterPostgresStorage, WarmPostgresStorage):
        instance = instance_on(kind)
        count: list[object] = []
        engines = {id(e): e for e in (instance.event_log_storage._engine, instance.run_storage._engine)}  # type: ignore[attr-defined]
        for engine in engines.values():
            event.listen(engine, "connect", lambda connection, _, count=count: count.append(connection))
        assert dg.materialize([thing], instance=instance).success
        opened.append(len(count))
    theirs, ours = opened
    assert theirs > 30, "Dagster's own keeps its connections now: this storage has no reason to be any more"
    assert ours <= KEPT_CONNECTIONS + 2


def test_either_reads_what_the_other_wrote(instance_on: Open) -> None:
    own, warm = instance_on(DagsterPostgresStorage), instance_on(WarmPostgresStorage)
    for writer, reader in ((own, warm), (warm, own)):
        run_id = dg.materialize([thing], instance=writer).run_id
        assert len(writer.get_records_for_run(run_id).records) > 10
        assert reader.get_records_for_run(run_id) == writer.get_records_for_run(run_id)


def test_connections_that_the_server_closed_cost_nothing(instance_on: Open, postgres_database: str) -> None:
    instance = instance_on(WarmPostgresStorage)
    before = backend(instance)
    server = create_engine(postgres_database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert dg.materialize([thing], instance=instance).success
    assert backend(instance) != before


def connections_to(url: str) -> int:
    """How many the server has open to this database, but for the one that asks."""
    server = create_engine(url, poolclass=NullPool)
    with server.connect() as connection:
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(connection.execute(asked).scalar_one()) - 1


def test_opening_an_instance_leaves_nothing_behind(instance_on: Open, postgres_database: str, tmp_path: Path) -> None:
    """Dagster opens one for each tick of a sensor, and not every place disposes of it."""
    instance_on(WarmPostgresStorage).get_runs_count()
    home = tmp_path / WarmPostgresStorage.__name__
    opened = []
    for _ in range(10):
        opened.append(dg.DagsterInstance.from_config(str(home)))
        opened[-1].get_runs_count()
        opened[-1].get_dynamic_partitions("videos")
    assert connections_to(postgres_database) <= KEPT_CONNECTIONS


def _tell_backend(instance: dg.DagsterInstance, pipe: Connection) -> None:
    pipe.send((instance.get_runs_count(), backend(instance)))


def test_no_connection_is_used_on_both_sides_of_a_fork(instance_on: Open) -> None:
    instance = instance_on(WarmPostgresStorage)
    dg.materialize([thing], instance=instance)
    before = backend(instance)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_tell_backend, args=(instance, there))
    child.start()
    assert here.poll(60)
    count, childs = here.recv()
    child.join(60)
    assert (count, child.exitcode) == (1, 0)
    assert childs != before
    # What the child closed at its end was its own.
    assert backend(instance) == before
