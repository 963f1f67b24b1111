"""Dagster's SQLite storage with warm engines: the same files, for half the processor time and less waiting.

Dagster's own makes a new SQLAlchemy engine for every statement. But compiled statements are cached per engine, and
closing the last connection to a file writes its write-ahead log back. Most of the 1.6 CPU seconds that a warm run took
beyond its work went into that and into migrating a new empty file. Here the process keeps and shares engines.

Internals of the pinned Dagster are overridden. `video_assets_tests/defs/test_warm_sqlite.py` checks that Dagster's own
classes read what this writes, and the other way round.
"""

import os
import shutil
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster import DagsterEventType
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

from video_assets.defs.instance.ticks_of_now import TicksOfNow
from video_assets.defs.instance.warm_engines import SharedEngines

OPEN_FILES = 12
"""The most files that a process holds open: runs, ticks and event index of its instance, and the event logs of the runs
that it executes. Only tests have others."""
_ENGINES = SharedEngines(OPEN_FILES)
_ENDS = (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED)
SHARDS_REMEMBERED = 1_000
ENDED_REMEMBERED = 64
"""How many ended runs of this process are remembered, so that late events of theirs do not keep their files open."""


def _shared(path: str) -> Engine:
    """The process's engine for this file. A file that was removed and made again gets another engine."""
    return _ENGINES.get(path, lambda: _warm_engine(path), _inode(path))


def _inode(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _warm_engine(path: str) -> Engine:
    """An engine that keeps its connection."""
    engine = create_engine(
        _url(path),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _relax_sync)
    return engine


def _url(path: str | Path) -> URL:
    return URL.create("sqlite", database=str(path))


def _relax_sync(connection: sqlite3.Connection, record: object) -> None:
    # Written events survive a killed process. A power cut may lose the last ones, which reconcile restores from the
    # manifests. Waiting for the disk at each of a hundred events would cost a second per run.
    connection.execute("PRAGMA synchronous=NORMAL")


_which = threading.local()


def _connect_for_a_moment() -> sqlite3.Connection:
    connection = sqlite3.connect(_which.path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)
    _relax_sync(connection, None)
    return connection


# One engine for files that are closed after use, so that statements are compiled once. Closing a file writes its log
# back, so an ended run leaves a small file (0.35 MB; with the log 3.1).
_FOR_A_MOMENT = create_engine("sqlite://", poolclass=NullPool, creator=_connect_for_a_moment)


class WarmEventLog(SqliteEventLogStorage):
    """The event log: one file for each run (a shard), and one, the index, for queries across runs.

    The process that executes a run keeps its shard open until the run's last event; other processes open it for each
    query.
    """

    def __init__(self, base_dir: str) -> None:
        self._executed: set[str] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()
        super().__init__(base_dir)  # may already write, so after the two lines above

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            path = self.path_for_shard(shard)
            if shard not in self._initialized_dbs:
                self._make(Path(path))
                self._remember(shard)
            if shard == INDEX_SHARD_NAME or shard in self._executed:
                engine = _shared(path)
            else:
                engine, _which.path = _FOR_A_MOMENT, path
            with engine.connect() as connection, connection.begin():
                yield connection

    def store_event(self, event: dg.EventLogEntry) -> None:
        kind = event.dagster_event_type if event.is_dagster_event else None
        if kind is DagsterEventType.RUN_START and event.run_id not in self._ended:
            self._executed.add(event.run_id)
        super().store_event(event)
        if kind in _ENDS:
            self._close(event.run_id)

    def delete_events(self, run_id: str) -> None:
        super().delete_events(run_id)
        self._close(run_id)
        for ending in ("", "-wal", "-shm"):  # the file has only this run; Dagster's own leaves it, empty
            Path(self.path_for_shard(run_id) + ending).unlink(missing_ok=True)

    def _remember(self, shard: str) -> None:
        """Remembers that the shard has its tables. Limited, because a process may look at any number of runs."""
        if len(self._initialized_dbs) >= SHARDS_REMEMBERED:
            self._initialized_dbs.clear()
        self._initialized_dbs.add(shard)

    def _close(self, run_id: str) -> None:
        with self._db_lock:
            self._executed.discard(run_id)
            self._initialized_dbs.discard(run_id)
            self._ended[run_id] = None
            while len(self._ended) > ENDED_REMEMBERED:
                self._ended.popitem(last=False)
        _ENGINES.close(self.path_for_shard(run_id))

    def _make(self, shard: Path) -> None:
        """Makes the shard's file in one step, as a copy of an empty one."""
        if shard.exists():  # perhaps half-made by Dagster's own storage
            if not _ENGINES.has(str(shard), _inode(str(shard))):
                self._migrate(shard)
            return
        # Not named `.db`: Dagster takes every such file for a run's.
        empty = Path(self._base_dir) / f"empty-{dg.__version__}.shard"
        if not empty.exists():
            fresh = self._beside(empty)
            self._migrate(fresh)
            fresh.replace(empty)
        copy = self._beside(shard)
        shutil.copyfile(empty, copy)
        try:
            os.link(copy, shard)
        except FileExistsError:  # another process was faster, and may have written to it
            pass
        finally:
            copy.unlink()

    def _migrate(self, path: Path) -> None:
        engine = create_engine(_url(path), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        self._initdb(engine)
        engine.dispose()  # closes the last connection, so the file is complete without its log

    def _beside(self, path: Path) -> Path:
        return path.with_name(f"{uuid4().hex}.making")


class _WarmConnect:
    """A mixin for a storage with a single file, whose engine the process shares."""

    _conn_string: str
    _name: str

    @classmethod
    def from_local(cls, base_dir: str, inst_data: Any = None) -> Any:
        path = os.path.join(os.path.abspath(base_dir), f"{cls._name}.db")
        if _ENGINES.has(path, _inode(path)):  # in use in this process, so its tables are up to date
            return cls(create_db_conn_string(base_dir, cls._name), inst_data)  # type: ignore[call-arg]
        opened = super().from_local(base_dir, inst_data)  # type: ignore[misc]
        # Make the engine even if nothing reads from it, so that the next opening skips Alembic: each check of the
        # tables leaks a kilobyte.
        _shared(path)
        return opened

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with _shared(make_url(self._conn_string).database or "").connect() as connection, connection.begin():
            yield connection


class WarmRuns(_WarmConnect, SqliteRunStorage):
    """Runs and their tags."""

    _name = "runs"


class WarmSchedules(TicksOfNow, _WarmConnect, SqliteScheduleStorage):
    """Ticks and cursors of sensors."""

    _name = "schedules"


class WarmSqliteStorage(DagsterSqliteStorage):
    """Runs, event log and schedules, in the same folders as Dagster's own; each can open what the other wrote."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        # Skip the parent's __init__, which would open Dagster's own three storages.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = WarmRuns.from_local(os.path.join(base_dir, "history", ""))
        self._event_log_storage = WarmEventLog(os.path.join(base_dir, "history", "runs", ""))
        self._schedule_storage = WarmSchedules.from_local(os.path.join(base_dir, "schedules"))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "WarmSqliteStorage":
        return cls.from_local(inst_data=inst_data, **config_value)
