"""Sessions on SQLite and Postgres, locks, and migration of the schema.

Both databases behave alike here: a write session holds its locks from the start (SQLite: BEGIN IMMEDIATE) or row by row
(Postgres), commits completely or not at all, and trouble with the server is a TransientError.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from video_assets.clock import utc_now
from video_assets.database.migrations import HEAD, VERSION_TABLE
from video_assets.errors import Busy, PermanentError, TransientError, one_line

BUSY_SECONDS = 30
POOLED = 5
"""Connections that are kept open."""
CONNECTIONS = 15
POOL_SECONDS = 10
CHECK_SECONDS = 0.05
"""How often `Hold.check` asks the server at most. A server takes longer than that to restart."""
_WRITES = "video_assets_writes"
_DAMAGED = ("malformed", "is not a database")
_SCHEMA_LOCK = 0x7669_6465


class NoSchema(PermanentError):
    """The tables do not exist, or are of an older release."""


class Hold:
    """The result of asking for a lock: true while we hold it, false where another process has it."""

    def __init__(self, held: bool, connection: Connection | None = None) -> None:
        self._held = held
        self._connection = connection
        self._checked = time.monotonic()
        self._session = _backend(connection) if held and connection is not None else 0

    def __bool__(self) -> bool:
        return self._held

    def check(self) -> None:
        """Raises TransientError if the lock is lost: after a restart of the server or a broken connection another
        process can get it without knowing of us. Cheap enough to call before each small step. For one thread."""
        if self._connection is not None and self._held and time.monotonic() - self._checked >= CHECK_SECONDS:
            try:
                self._held = _backend(self._connection) == self._session
            except DBAPIError:
                self._held = False
            self._checked = time.monotonic()
        if not self._held:
            raise TransientError("the database gave our lock away: its server or the connection went meanwhile")


class Database:
    """The database at one URL. Connects on first use; thread-safe. PermanentError where the URL is not valid."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """`connections`: at most so many at once; a process with many threads needs one for each."""
        try:
            self.url = make_url(url)
            self.engine = _engine(url, connections)
        except (ArgumentError, ValueError, ModuleNotFoundError):
            # The URL may contain a password, so the message does not repeat it.
            raise PermanentError("DATABASE_URL is no database URL; give sqlite:///file or postgresql://…") from None
        self._writer = self.engine.execution_options(**{_WRITES: True})

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is an SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading. On SQLite it sees one consistent state; on Postgres each statement sees its own."""
        with self._translated(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session for writing. It is committed at the end of the block, or rolled back after an exception."""
        with self._translated(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def ensure_schema(self) -> None:
        """Creates the tables or migrates them to this release. Cheap where nothing is to do; safe in several processes
        at once."""
        with self._translated():
            with self.engine.connect() as connection:
                if _version(connection) == HEAD:
                    return
            with self._writer.connect() as connection, connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
                _run_migrations(connection)

    @contextmanager
    def only_one(self, name: str) -> Iterator[Hold]:
        """For the block, tries to get the lock of this name, without waiting: true if this process has it alone. On
        Postgres it is lost when its connection is lost, which `check` finds out."""
        if self.is_sqlite:
            with _file_lock(Path(f"{self.url.database}.{name}.lock")) as held:
                yield Hold(held)
            return
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with self._translated(), self.engine.connect() as connection:
            # A session lock, not a transaction lock: a transaction that is open for minutes would block vacuum.
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            held = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:n)"), {"n": number}))
            hold = Hold(held, connection)
            try:
                yield hold
            finally:
                if hold:  # a lost lock may be another process's by now
                    connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})

    def now(self, session: Session) -> datetime:
        """The database's time, aware, in UTC: one clock for machines whose own clocks may differ by hours. With SQLite
        it is this machine's time."""
        if self.is_sqlite:
            return utc_now()
        moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return moment.astimezone(timezone.utc)

    def dispose(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise Busy("too many requests wait for the database; try again in a moment") from error
        except (OperationalError, InterfaceError) as error:
            if "no such table" in str(error.orig) or "no such column" in str(error.orig):
                raise self._no_schema() from error
            raise TransientError(one_line(f"the database {self._name} did not answer: {error.orig}", 300)) from error
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) in ("42P01", "42703"):  # no such table, no such column
                raise self._no_schema() from error
            if getattr(error.orig, "pgcode", None) == "42P07":  # a table of this name exists and is not ours
                what = str(error.orig).splitlines()[0]
                raise PermanentError(
                    one_line(
                        f"the database {self._name} has tables of another program ({what}); give us one of our own"
                    )
                ) from error
            raise
        except (DBAPIError, sqlite3.DatabaseError) as error:
            if self.is_sqlite and any(words in str(error) for words in _DAMAGED):
                raise self._damaged() from error
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise TransientError(f"the connection to the database {self._name} was lost") from error
            raise

    def _no_schema(self) -> NoSchema:
        return NoSchema(f"the database {self._name} lacks tables; run once with VIDEO_ASSETS_DB_SYNC=true")

    def _damaged(self) -> PermanentError:
        # Not "remove it", so that the damaged file can still be examined.
        return PermanentError(
            f"the database {self.url.database} is damaged; stop everything, move it aside with its -wal and -shm "
            "files, and run `video-assets rebuild --database`: what was made is in storage and comes back"
        )

    @property
    def _name(self) -> str:
        return self.url.render_as_string(hide_password=True)


def _engine(url: str, connections: int) -> Engine:
    pool = {"max_overflow": connections - POOLED, "pool_size": POOLED, "pool_timeout": POOL_SECONDS}
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, json_deserializer=_from_json, **pool)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # In UTC: some columns of the services before have no time zone, and are written in the session's zone.
    # A server that vanishes without a word is noticed after 20 s, not after the hours that TCP takes by itself.
    options = {
        "tcp_user_timeout": "20000",
        "connect_timeout": "10",
        "application_name": "video-assets",
        "options": "-c timezone=UTC",
    }
    return create_engine(
        url,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args=options,
        json_deserializer=_from_json,
        **pool,
    )


def _from_json(text: str) -> Any:
    """What a JSON column holds. Three times as fast as the standard library, which is asked for what only it takes:
    NaN, numbers beyond 64 bits, halves of surrogate pairs."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling begins late and excludes DDL, so we send BEGIN ourselves.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: Any) -> None:
    """Switches the database to its write-ahead log. SQLite does not wait for that lock, whatever the busy timeout: of
    several processes that open a new database at once, one was refused now and then."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for a lock: SQLite refuses it at once.
    immediate = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _backend(connection: Connection) -> int:
    """The pid of the server process behind this connection; session locks belong to that process."""
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def _version(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return version


def _run_migrations(connection: Connection) -> None:
    # Imported here, because each run's process opens the database and nearly none has to migrate it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    _rename_version_table(connection)
    config = Config()
    config.set_main_option("script_location", "video_assets.database:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise PermanentError(
            f"the database is of a newer release than this one; install that release ({error})"
        ) from None


def _rename_version_table(connection: Connection) -> None:
    """Renames the version table of the first release, which had Alembic's default name. A table with another revision
    belongs to another program, and stays."""
    has_table = connection.dialect.has_table
    if has_table(connection, VERSION_TABLE) or not has_table(connection, "alembic_version"):
        return
    if list(connection.scalars(text("SELECT version_num FROM alembic_version"))) == ["0001"] and has_table(
        connection, "deleted_videos"
    ):
        connection.execute(text(f"ALTER TABLE alembic_version RENAME TO {VERSION_TABLE}"))


@contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True  # closing the file releases the lock, and so does the end of the process
