"""Dagster's SQLite storage with warm engines: the same files, for half the processor time and less waiting.

Dagster's own makes a new SQLAlchemy engine for every statement. Compiled statements are kept by engine, and closing
the last connection to a file writes its log back into it. Of the 1.6 CPU seconds that a warm run took beyond its work,
most went into that and into migrating one more empty file. Here engines live on, shared by the process.

Internals of the pinned Dagster are overridden; `video_assets_tests/defs/test_warm_sqlite.py` holds what this writes
against what Dagster's own classes read, and the other way round.
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
"""Files that a process holds open at most: runs, ticks and the index of its instance, and the logs of the runs that
it executes. Others are a test's."""
_ENGINES = SharedEngines(OPEN_FILES)
_ENDS = (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED)
SHARDS_REMEMBERED = 1_000
ENDED_REMEMBERED = 64
"""Runs that ended in this process: what is still said of them does not hold their files open again."""


def _shared(path: str) -> Engine:
    """The process's engine for this file, as the file is now: one that was removed and made anew is another."""
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
    event.listen(engine, "connect", _trust_the_log)
    return engine


def _url(path: str | Path) -> URL:
    return URL.create("sqlite", database=str(path))


def _trust_the_log(connection: sqlite3.Connection, record: object) -> None:
    # What was written survives a killed process. A power cut may take the last moments' events with it, which
    # reconcile makes up for from the manifests; waiting for the disk at each of a hundred events costs a second a run.
    connection.execute("PRAGMA synchronous=NORMAL")


_which = threading.local()


def _connect_for_a_moment() -> sqlite3.Connection:
    connection = sqlite3.connect(_which.path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)
    _trust_the_log(connection, None)
    return connection


# For any file, closed after use: one engine for all of them, so that statements are compiled once. The last to close
# a file writes its log back into it, so of a run that is over a small file is left (0.35 MB, with the log 3.1).
_FOR_A_MOMENT = create_engine("sqlite://", poolclass=NullPool, creator=_connect_for_a_moment)


class WarmEventLog(SqliteEventLogStorage):
    """The event log: one file a run (a shard), and one, the index, for what is asked across runs.

    Who executes a run holds its shard open until the run's last event; all others open it for a moment.
    """

    def __init__(self, base_dir: str) -> None:
        self._executed: set[str] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()
        super().__init__(base_dir)  # already writes, the first time

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
        for ending in ("", "-wal", "-shm"):  # nothing else is in its file; Dagster's own leaves it, emptied
            Path(self.path_for_shard(run_id) + ending).unlink(missing_ok=True)

    def _remember(self, shard: str) -> None:
        """Notes that the shard is whole. There is no end to the runs that a process looks at, so not for ever."""
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
        """Has the file made: whole at once, as a copy of an empty one."""
        if shard.exists():  # perhaps half-made, by Dagster's own storage
            if not _ENGINES.has(str(shard), _inode(str(shard))):
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
        engine = create_engine(_url(path), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        self._initdb(engine)
        engine.dispose()  # the last connection: the file is whole without a log beside it

    def _beside(self, path: Path) -> Path:
        return path.with_name(f"{uuid4().hex}.making")


class _WarmConnect:
    """One file, one engine in the process."""

    _conn_string: str
    _name: str

    @classmethod
    def from_local(cls, base_dir: str, inst_data: Any = None) -> Any:
        path = os.path.join(os.path.abspath(base_dir), f"{cls._name}.db")
        if _ENGINES.has(path, _inode(path)):  # in use in this process, so its tables need no second look
            return cls(create_db_conn_string(base_dir, cls._name), inst_data)  # type: ignore[call-arg]
        opened = super().from_local(base_dir, inst_data)  # type: ignore[misc]
        # Noted also where nothing is ever read from it: each look by Alembic leaves a kilobyte behind, for ever.
        _shared(path)
        return opened

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with _shared(make_url(self._conn_string).database or "").connect() as connection, connection.begin():
            yield connection


class WarmRuns(_WarmConnect, SqliteRunStorage):
    """The runs."""

    _name = "runs"


class WarmSchedules(TicksOfNow, _WarmConnect, SqliteScheduleStorage):
    """Ticks and cursors of sensors."""

    _name = "schedules"


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
