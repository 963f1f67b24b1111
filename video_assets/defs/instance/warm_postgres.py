"""Dagster's Postgres storage with warm connections: the same tables, without a new connection for each statement.

Dagster's own opens a connection for every statement, "to prevent accumulating connections per DagsterInstance". Each
costs the server a fork and both sides a password check; a run has hundreds of statements, and daemons query all the
time. Here a process keeps a few connections and closes those it needs beyond them. A run of one step took 0.15 s
instead of 0.47, and a third of the processor time of both sides.
"""

from typing import Any

from dagster_postgres import DagsterPostgresStorage, PostgresScheduleStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

from video_assets.defs.instance.ticks_of_now import TicksOfNow
from video_assets.defs.instance.warm_engines import SharedEngines

KEPT_CONNECTIONS = 2
"""The connections that a process keeps open; those that its threads need beyond them are closed after use."""
KEPT_SECONDS = 600
"""How long a connection is kept: proxies and firewalls drop idle ones."""
DATABASES = 4
"""The most Dagster databases that a process keeps connections to; only tests use more than one."""
_ENGINES = SharedEngines(DATABASES)


class WarmSchedules(TicksOfNow, PostgresScheduleStorage):
    """Ticks and cursors of sensors."""


class WarmPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules behind one pool of connections, which all instances of the process share."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: Any = None,
        token_provider: Any = None,
    ) -> None:
        # Another way to log in needs another engine.
        key = f"{type(token_provider).__name__} {postgres_url}"
        # If this process uses the database already, its tables exist; checking costs three connections per instance.
        super().__init__(postgres_url, should_autocreate_tables and not _ENGINES.has(key), inst_data, token_provider)
        self.should_autocreate_tables = should_autocreate_tables
        self._schedule_storage = WarmSchedules(postgres_url, False, token_provider=token_provider)
        engine = _ENGINES.get(key, lambda: _warm_engine(postgres_url, token_provider))
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "WarmPostgresStorage":
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )


def _warm_engine(postgres_url: str, token_provider: Any) -> Engine:
    return create_pg_engine(
        postgres_url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_recycle=KEPT_SECONDS,
        pool_use_lifo=True,
        # A server that was restarted has closed the kept connections: the ping notices before a statement fails.
        pool_pre_ping=True,
    )
