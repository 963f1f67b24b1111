"""Fixtures shared by all tests: settings in a folder of their own, and a real Postgres where there can be one."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, make_url, text

from video_assets.settings import Settings

SERVICES = Path(__file__).parent / "services" / "services"

# A shared machine stalls now and then: a slow example is no failure, and a failure prints how to repeat it.
hypothesis_settings.register_profile(
    "project", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell has set must not reach a test."""
    for name in list(os.environ):
        if name.startswith(("VIDEO_ASSETS_", "DAGSTER_", "OPENAI_")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Embedded defaults in a temporary HOME, with short pauses."""
    return Settings(
        home=tmp_path / "home", sensor_seconds=1, reconcile_seconds=1, heartbeat_seconds=0.5, inbox_settle_seconds=0.2,
        min_free_bytes=0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of a Postgres server that tests may make databases on: `TEST_DATABASE_URL`, else one started here."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return given
    return _started("postgres", "TEST_DATABASE_URL")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """URL of a fresh, empty Postgres database, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        server.dispose()


def _started(name: str, variable: str) -> str:
    """Starts a server through the services script; returns what it says `variable` is."""
    try:
        up = subprocess.run([SERVICES, "up", name], capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _missing(name, str(error))
    if up.returncode:
        return _missing(name, up.stderr.strip().splitlines()[-1] if up.stderr.strip() else "the script failed")
    env = subprocess.run([SERVICES, "env", name], capture_output=True, text=True, check=True, timeout=30)
    for word in shlex.split(env.stdout):
        key, _, value = word.partition("=")
        if key == variable:
            return value
    return _missing(name, f"the script did not say {variable}")


def _missing(name: str, why: str) -> str:
    message = f"{name} is not available: {why}"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
