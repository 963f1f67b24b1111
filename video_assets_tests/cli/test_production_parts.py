"""What the containers of a production installation ask of the command: schemas and buckets made, health told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from dagster._daemon.types import DaemonHeartbeat
from sqlalchemy import create_engine, inspect

from video_assets.defs.instance.opening import open_instance
from video_assets.defs.instance.queues import make_app
from video_assets.settings import Settings
from video_assets.storage.buckets import bucket_names
from video_assets_tests.cli.conftest import say
from video_assets_tests.e2e.production import queues, write_instance


@pytest.fixture
def installed(tmp_path: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an installation whose Postgres is empty, in the environment."""
    url = postgres_database.replace("+psycopg2", "")
    settings = Settings(
        home=tmp_path / "home",
        database_url=url,
        dagster_database_url=url,
        db_sync=False,
        logs_bucket="nowhere",
        s3_endpoint_url="http://127.0.0.1:1",
        celery_broker_url="redis://127.0.0.1:1/0",
    )
    write_instance(settings)
    for name, value in settings.environment({}).items():
        monkeypatch.setenv(name, value)
    return settings


def tables(settings: Settings) -> set[str]:
    engine = create_engine(settings.database_url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_migrate_makes_both_schemas_and_may_be_run_again(installed: Settings) -> None:
    assert tables(installed) == set()
    refused = say("status")
    assert refused.code == 1
    assert "lacks tables; run once" in refused.err

    first = say("migrate")
    made = tables(installed)
    assert {"videos", "outbox_events", "runs", "event_logs", "daemon_heartbeats"} <= made
    with open_instance(installed) as instance:
        instance.add_dynamic_partitions("videos", ["7"])
    second = say("migrate")

    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out == "tables are up to date\nDagster's tables are up to date\n"
    assert tables(installed) == made
    with open_instance(installed) as instance:
        assert instance.has_dynamic_partition("videos", "7")
    assert say("status").code == 0


def test_migrate_makes_the_buckets_that_are_missing_once(
    installed: Settings, s3_client: Any, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = f"{s3_bucket}-logs"
    monkeypatch.setenv("VIDEO_ASSETS_S3_ENDPOINT_URL", s3_client.meta.endpoint_url)
    monkeypatch.setenv("VIDEO_ASSETS_STORAGE_URL", f"s3://{s3_bucket}/library")
    monkeypatch.setenv("VIDEO_ASSETS_LOGS_BUCKET", missing)
    s3_client.put_object(Bucket=s3_bucket, Key="kept", Body=b"1")
    try:
        said = [say("migrate", "--buckets") for _ in range(2)]
        assert [each.code for each in said] == [0, 0], said[0].err
        assert [each.out.splitlines()[:2] for each in said] == [
            [f"bucket {s3_bucket}: is there", f"bucket {missing}: made"],
            [f"bucket {s3_bucket}: is there", f"bucket {missing}: is there"],
        ]
        assert s3_client.get_object(Bucket=s3_bucket, Key="kept")["Body"].read() == b"1"
    finally:
        s3_client.delete_bucket(Bucket=missing)


def test_buckets_are_known_by_their_urls_and_named_once() -> None:
    assert bucket_names("s3://a/library", "b", "s3://a/inbox/", "", "file:///srv/library", "/srv/inbox") == ["a", "b"]


def test_a_daemon_is_healthy_while_it_looks_after_sensors_and_queue(installed: Settings) -> None:
    assert "run video-assets migrate" in say("healthy", "daemon").err
    assert say("migrate").code == 0
    assert "has not looked after sensor and queued_run_coordinator" in say("healthy", "daemon").err

    beat(installed, "SENSOR", ago=20)
    beat(installed, "QUEUED_RUN_COORDINATOR", ago=30)
    said = say("healthy", "daemon")
    assert said.code == 0
    assert 29 <= int(said.out.removeprefix("daemon was at work ").removesuffix(" s ago\n")) <= 40

    beat(installed, "SENSOR", ago=200)
    said = say("healthy", "daemon")
    assert said.code == 1
    assert said.err == "video-assets: the daemon has not looked after sensor for 120 s\n"


def beat(settings: Settings, kind: str, *, ago: float) -> None:
    with open_instance(settings) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, kind, "a daemon"))


def test_a_worker_is_healthy_where_it_answers_on_this_machine(
    installed: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the broker did not answer" in say("healthy", "worker").err
    with queues(redis_url) as broker:
        monkeypatch.setenv("VIDEO_ASSETS_CELERY_BROKER_URL", broker)
        with working(broker, "video-assets-1@another machine"):
            assert say("healthy", "worker").err == "video-assets: no worker of this machine answers\n"
        with working(broker, f"video-assets-1@{socket.gethostname()}"):
            said = say("healthy", "worker")
            assert said.code == 0, said.err
            assert said.out == f"worker video-assets-1@{socket.gethostname()} answers\n"


def working(broker: str, name: str) -> Any:
    return start_worker(make_app(broker), pool="solo", perform_ping_check=False, hostname=name)


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of something that answers as a webserver does."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"dagster_webserver_version": "1.2.3"}' if self.path == "/server_info" else b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_webserver_is_healthy_where_it_answers(installed: Settings, listening: int) -> None:
    said = say("healthy", "webserver", "--port", str(listening))
    assert (said.code, said.out) == (0, "webserver 1.2.3 answers\n")
    refused = say("healthy", "webserver", "--port", "1")
    assert refused.code == 1
    assert refused.err.startswith("video-assets: no webserver answers on port 1: ")


def test_the_password_is_not_told_where_a_database_refuses_it(
    installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_DAGSTER_DATABASE_URL", "postgresql://video:secret@127.0.0.1:1/none")
    said = say("healthy", "daemon")
    assert said.code == 1
    assert "Dagster's database did not answer" in said.err
    assert "secret" not in said.err
