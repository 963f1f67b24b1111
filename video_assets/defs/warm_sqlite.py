"""Dagster's SQLite storage with warm engines: the same files, for half the processor time and less waiting.

Dagster's own makes a new SQLAlchemy engine for every statement. Compiled statements are kept by engine, and closing
the last connection to a file writes its log back into it. Of the 1.6 CPU seconds that a warm run took beyond its work,
most went into that and into migrating one more empty file. Here engines and connections live on.

Internals of the pinned Dagster are overridden; `video_assets_tests/defs/test_warm_sqlite.py` holds what this writes
against what Dagster's own classes read, and the other way round.
"""

import os
import shutil
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

OPEN_SHARDS = 8
"""Files of runs held open at most; a process works on few at a time."""


def warm_engine(url: URL) -> Engine:
    """An engine that keeps its connection."""
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1, max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )  # fmt: skip
    event.listen(engine, "connect", _trust_the_log)
    # A connection must not be used on both sides of a fork.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def _trust_the_log(connection: sqlite3.Connection, record: object) -> None:
    # What was written survives a killed process. A power cut may take the last moments' events with it, which
    # reconcile makes up for from the manifests; waiting for the disk at each of a hundred events costs a second a run.
    connection.execute("PRAGMA synchronous=NORMAL")


class WarmEventLog(SqliteEventLogStorage):
    """The event log: one file a run (a shard), and one, the index, for what is asked across runs."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._index = warm_engine(self._url(Path(base_dir).absolute() / f"{INDEX_SHARD_NAME}.db"))
        super().__init__(base_dir)  # already writes, the first time

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._initialized_dbs:
                self._make(Path(self.path_for_shard(shard)))
                self._initialized_dbs.add(shard)
            with self._engine(shard).connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard == INDEX_SHARD_NAME:
            return self._index
        if shard not in self._engines:
            self._engines[shard] = warm_engine(self._url(self.path_for_shard(shard)))
        self._engines.move_to_end(shard)
        if len(self._engines) > OPEN_SHARDS:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return self._engines[shard]

    def _make(self, shard: Path) -> None:
        """Has the file made: whole at once, as a copy of an empty one."""
        if shard.exists():  # perhaps half-made, by Dagster's own storage
            self._migrate(shard)
            return
        # No `.db`: Dagster takes every file of that name for a run's.
        empty = Path(self._base_dir) / f"empty-{dg.__version__}.shard"
        if not empty.exists():
            fresh = self._beside(empty)
            self._migrate(fresh)
            fresh.replace(empty)
        copy = self._beside(shard)
        shutil.copyfile(empty, copy)
        try:
            os.link(copy, shard)
        except FileExistsError:  # another process was quicker, and may have written to it
            pass
        finally:
            copy.unlink()

    def _migrate(self, path: Path) -> None:
        engine = create_engine(self._url(path), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        self._initdb(engine)
        engine.dispose()  # the last connection: the file is whole without a log beside it

    def _url(self, path: str | Path) -> URL:
        return URL.create("sqlite", database=str(path))

    def _beside(self, path: Path) -> Path:
        return path.with_name(f"{uuid4().hex}.making")


class _WarmConnect:
    """One file, one engine."""

    _conn_string: str
    _kept: Engine | None = None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        if self._kept is None:
            self._kept = warm_engine(make_url(self._conn_string))
        with self._kept.connect() as connection, connection.begin():
            yield connection


class WarmRuns(_WarmConnect, SqliteRunStorage):
    """The runs."""


class WarmSchedules(_WarmConnect, SqliteScheduleStorage):
    """Ticks and cursors of sensors."""


class WarmSqliteStorage(DagsterSqliteStorage):
    """All three, in the folders where Dagster's own has them: either opens what the other wrote."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        # Not Dagster's own beginning, which opens its own three.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = WarmRuns.from_local(os.path.join(base_dir, "history", ""))
        self._event_log_storage = WarmEventLog(os.path.join(base_dir, "history", "runs", ""))
        self._schedule_storage = WarmSchedules.from_local(os.path.join(base_dir, "schedules"))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "WarmSqliteStorage":
        return cls.from_local(inst_data=inst_data, **config_value)
