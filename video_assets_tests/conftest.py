"""Fixtures shared by all tests: settings in a folder of their own, and real servers where there can be some."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, make_url, text

from video_assets import errors
from video_assets.database.engine import Database
from video_assets.settings import Settings

SERVICES = Path(__file__).parent / "services" / "services"
SERVERS = {
    "postgres_url": ("postgres", "TEST_DATABASE_URL"),
    "s3_endpoint": ("s3", "TEST_S3_ENDPOINT_URL"),
    "kafka_servers": ("kafka", "TEST_KAFKA_BOOTSTRAP_SERVERS"),
    "redis_url": ("redis", "TEST_REDIS_URL"),
    "elasticsearch_server": ("elasticsearch", "TEST_ELASTICSEARCH_URL"),
}
"""Fixture → (server, the variable that tells where it is). A variable that is set already names one that runs."""
INSTALL_SECONDS = 900
_servers: dict[str, dict[str, str] | str] = {}
"""By server: what the script said of it, or why it is not there."""

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
    # What one test gave as a password is an ordinary word to the next.
    monkeypatch.setattr(errors, "_secrets", set())


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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Embedded defaults in a temporary HOME, with short pauses; a tick of a sensor is one look."""
    return Settings(
        home=tmp_path / "home",
        sensor_seconds=5,
        reconcile_seconds=1,
        heartbeat_seconds=0.5,
        inbox_settle_seconds=0.2,
        min_free_bytes=0,
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with real daemons first: they take longest and mostly wait, so the other files go on beside them
    instead of being waited for at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`make test` gives each core a file at a time. Files with real daemons count as one, so that no two of them
    go at once."""
    from xdist.scheduler import LoadFileScheduling

    class OneHouseAtATime(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "e2e" if "mark.e2e" in Path(config.rootpath, file).read_text(encoding="utf-8") else file

    return OneHouseAtATime(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts the servers that the chosen tests name: the first time one is installed, which takes minutes and
    would count as some test's own time."""
    if session.config.option.collectonly:
        return
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    parameters = {value for item in session.items for value in _parameters(item) if isinstance(value, str)}
    for fixture, (name, variable) in SERVERS.items():
        if (fixture in fixtures or name in parameters) and not os.environ.get(variable):
            _start(name)


def _parameters(item: pytest.Item) -> Iterator[object]:
    call = getattr(item, "callspec", None)
    yield from call.params.values() if call else ()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """URL of a Postgres server that tests may make databases on: `TEST_DATABASE_URL`, else one started here."""
    return _server("postgres_url")["TEST_DATABASE_URL"]


@pytest.fixture(scope="session")
def kafka_servers() -> str:
    """host:port of a Kafka broker that tests may make topics on: `TEST_KAFKA_BOOTSTRAP_SERVERS`, else one
    started here."""
    return _server("kafka_servers")["TEST_KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of a Redis server of which tests may use any database: `TEST_REDIS_URL`, else one started here."""
    return _server("redis_url")["TEST_REDIS_URL"]


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


@pytest.fixture(scope="session")
def s3_endpoint() -> str:
    """URL of an S3 server that tests may make buckets on: `TEST_S3_ENDPOINT_URL`, with the keys in
    `TEST_S3_ACCESS_KEY` and `TEST_S3_SECRET_KEY`, else one started here."""
    return _server("s3_endpoint")["TEST_S3_ENDPOINT_URL"]


@pytest.fixture
def _s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    with bucket_on(s3_endpoint, monkeypatch) as both:
        yield both


@pytest.fixture
def s3_client(_s3: tuple[Any, str]) -> Any:
    """A plain client of that server. Its keys are in the environment, where everybody's client finds them."""
    return _s3[0]


@pytest.fixture
def s3_bucket(_s3: tuple[Any, str]) -> str:
    """Name of a fresh, empty bucket, removed afterwards with all that is in it."""
    return _s3[1]


@contextmanager
def bucket_on(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """Client and bucket for a while, for fixtures of a wider scope."""
    keys = _server("s3_endpoint")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["TEST_S3_ACCESS_KEY"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["TEST_S3_SECRET_KEY"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client: Any = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    name = f"test-{uuid4().hex}"
    client.create_bucket(Bucket=name)
    yield client, name
    for upload in client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


@pytest.fixture
def s3_url(s3_bucket: str) -> str:
    """A storage URL below that bucket."""
    return f"s3://{s3_bucket}/some/prefix"


@pytest.fixture(scope="session")
def elasticsearch_server() -> str:
    """URL of an Elasticsearch server that tests may make indices on: `TEST_ELASTICSEARCH_URL`, else one started
    here."""
    return _server("elasticsearch_server")["TEST_ELASTICSEARCH_URL"]


@pytest.fixture
def elasticsearch_url(elasticsearch_server: str) -> Iterator[str]:
    """A search URL whose index nobody else uses, removed afterwards."""
    name = f"test-{uuid4().hex}"
    yield f"{elasticsearch_server}/{name}"
    with Elasticsearch(elasticsearch_server) as client:
        for index in client.indices.get(index=f"{name}*", allow_no_indices=True):
            client.indices.delete(index=index)


def _server(fixture: str) -> dict[str, str]:
    """What is known of the server behind a fixture: the variables in the environment where its URL is given
    there, else those the script says. Skips the test (fails it, with REQUIRE_SERVICES=1) where there is none."""
    name, variable = SERVERS[fixture]
    if os.environ.get(variable):
        return dict(os.environ)
    found = _start(name)
    if isinstance(found, str):
        return _missing(name, found)
    return found


def _start(name: str) -> dict[str, str] | str:
    """Starts a server through the services script, once; returns its variables, or why it is not there."""
    if name not in _servers:
        _servers[name] = _started(name)
    return _servers[name]


def _started(name: str) -> dict[str, str] | str:
    try:
        up = subprocess.run([SERVICES, "up", name], capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if up.returncode:
        return up.stderr.strip().splitlines()[-1] if up.stderr.strip() else "the script failed"
    env = subprocess.run([SERVICES, "env", name], capture_output=True, text=True, check=True, timeout=30)
    words = (word.partition("=") for word in shlex.split(env.stdout))
    return {key: value for key, _, value in words if value}


def _missing(name: str, why: str) -> NoReturn:
    message = f"{name} is not available: {why}"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
