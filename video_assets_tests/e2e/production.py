"""The production profile for a house: every backend a server, the instance that of docker/dagster.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pytest
import redis
import yaml
from botocore.config import Config
from elasticsearch import Elasticsearch
from sqlalchemy import create_engine, make_url, text

from video_assets.settings import Settings

INSTANCE = Path(__file__).parents[2] / "docker" / "dagster.yaml"


@dataclass(frozen=True)
class Servers:
    """Where the servers are."""

    postgres: str
    redis: str
    kafka: str
    s3: str
    elasticsearch: str
    s3_key: str = "testkey"
    s3_secret: str = "testsecret123"

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> Servers:
        """Those the tests share."""
        return cls(
            postgres=request.getfixturevalue("postgres_url"),
            redis=request.getfixturevalue("redis_url"),
            kafka=request.getfixturevalue("kafka_servers"),
            s3=request.getfixturevalue("s3_endpoint"),
            elasticsearch=request.getfixturevalue("elasticsearch_server"),
        )


@contextmanager
def production(
    home: Path, servers: Servers, settings: Callable[..., Settings], **changes: object
) -> Iterator[Settings]:
    """Settings over databases, a bucket, topics and queues of this house's own, and its dagster.yaml in place."""
    name = f"house{uuid4().hex[:12]}"
    with (
        pytest.MonkeyPatch.context() as environment,
        databases(servers.postgres, name, f"{name}_dagster") as (ours, dagsters),
        queues(servers.redis) as broker,
        index(servers.elasticsearch, name) as search,
    ):
        for variable, value in {
            "AWS_ACCESS_KEY_ID": servers.s3_key,
            "AWS_SECRET_ACCESS_KEY": servers.s3_secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environment.setenv(variable, value)
        with bucket(servers.s3, name):
            made = settings(
                home,
                database_url=ours,
                dagster_database_url=dagsters,
                storage_url=f"s3://{name}/library",
                s3_endpoint_url=servers.s3,
                logs_bucket=name,
                search_url=search,
                kafka_bootstrap_servers=servers.kafka,
                kafka_topic_prefix=f"{name}.",
                celery_broker_url=broker,
                **changes,
            )
            write_instance(made)
            yield made


def write_instance(settings: Settings) -> None:
    """The production instance in the house's DAGSTER_HOME, with the one line that another S3 takes."""
    instance = yaml.safe_load(INSTANCE.read_text(encoding="utf-8"))
    instance["compute_logs"]["config"]["endpoint_url"] = {"env": "VIDEO_ASSETS_S3_ENDPOINT_URL"}
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")


@contextmanager
def databases(server_url: str, *names: str) -> Iterator[list[str]]:
    """Fresh databases, dropped afterwards."""
    # The server may have been killed meanwhile; a connection from before is no use then.
    server = create_engine(server_url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    try:
        with server.connect() as connection:
            for name in names:
                connection.execute(text(f"CREATE DATABASE {name}"))
        plain = make_url(server_url).set(drivername="postgresql")
        yield [plain.set(database=name).render_as_string(hide_password=False) for name in names]
    finally:
        with server.connect() as connection:
            for name in names:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        server.dispose()


@contextmanager
def queues(server_url: str) -> Iterator[str]:
    """One of the server's databases that nobody else has, emptied afterwards."""
    for number in range(1, 16):
        url = urlsplit(server_url)._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(url) as client:
            if client.set("a house's", "yes", nx=True, ex=3600):
                try:
                    yield url
                finally:
                    client.flushdb()
                return
    raise AssertionError(f"all databases of {server_url} are taken")


@contextmanager
def index(server_url: str, name: str) -> Iterator[str]:
    """A search index's URL; what was made of it is removed afterwards."""
    try:
        yield f"{server_url}/{name}"
    finally:
        with Elasticsearch(server_url) as client:
            for each in client.indices.get(index=f"{name}*", allow_no_indices=True):
                client.indices.delete(index=each)


@contextmanager
def bucket(endpoint: str, name: str) -> Iterator[None]:
    """A bucket, removed afterwards with all that is in it."""
    client: Any = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    client.create_bucket(Bucket=name)
    try:
        yield
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=name, Key=found["Key"])
        client.delete_bucket(Bucket=name)
