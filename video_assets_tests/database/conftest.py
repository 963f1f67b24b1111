"""A fresh database with its tables: SQLite for every test, Postgres too where there can be one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from video_assets.database.engine import Database


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tables.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables in it."""
    opened = Database(database_url)
    opened.ensure_schema()
    yield opened
    opened.dispose()
