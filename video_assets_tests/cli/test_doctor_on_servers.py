"""`doctor` and start-up over real servers: each is named with its version, each failure in one line, no secret said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from video_assets.cli.doctor import servers as checks_of_servers
from video_assets.errors import PermanentError
from video_assets.settings import Settings
from video_assets.storage.s3 import S3Storage
from video_assets_tests.cli.conftest import Said, say

SECRET = "Planted-4711-secret"


@pytest.fixture
def servers(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    postgres_database: str,
    s3_url: str,
    s3_endpoint: str,
    kafka_servers: str,
    redis_url: str,
    elasticsearch_url: str,
) -> None:
    """An environment that names a server for everything."""
    for name, value in {
        "DATABASE_URL": postgres_database,
        "STORAGE_URL": s3_url,
        "S3_ENDPOINT_URL": s3_endpoint,
        "SEARCH_URL": elasticsearch_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_servers,
        "KAFKA_TOPIC_PREFIX": f"doctor-{os.getpid()}.",
        "CELERY_BROKER_URL": redis_url,
        "INBOX": s3_url + "/inbox/",
    }.items():
        monkeypatch.setenv(f"VIDEO_ASSETS_{name}", value)


def findings(said: Said) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in said.json["findings"]}


def test_every_server_is_named_with_its_version_and_latency(servers: None) -> None:
    said = say("doctor", "--json")
    found = findings(said)
    assert said.code == 0, said.out
    assert found["database"]["version"].startswith("PostgreSQL ")
    assert found["storage"]["version"].startswith("S3 (VERSITYGW, region us-east-1")
    assert found["search"]["version"].startswith("Elasticsearch 8.")
    assert found["events"]["version"].startswith("librdkafka ")
    assert found["redis"]["version"].startswith("Redis ")
    assert found["workers"]["found"].startswith("0 answer")
    assert "0 files there" in found["inbox"]["found"]
    for name in ("database", "storage", "search", "events", "redis", "dagster"):
        assert found[name]["latency_ms"] > 0, name


BROKEN = {
    "database": ("DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/none", "did not answer"),
    "storage": ("STORAGE_URL", "s3://no-such-bucket-here/x", "no-such-bucket-here does not exist"),
    "search": ("SEARCH_URL", f"http://elastic:{SECRET}@127.0.0.1:1", "127.0.0.1:1"),
    "events": ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "127.0.0.1:1"),
    "redis": ("CELERY_BROKER_URL", f"redis://:{SECRET}@127.0.0.1:1/0", "did not answer"),
}
AWAY = {"database", "search", "events", "redis"}
"""Of those, where nothing answers at all."""


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_is_down_is_named_and_start_up_says_the_same(
    servers: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, value, words = BROKEN[name]
    monkeypatch.setenv(f"VIDEO_ASSETS_{setting}", value)
    said = say("doctor", "--json")
    assert said.code == 1
    wrong = findings(said)[name]
    assert not wrong["ok"]
    assert words in wrong["found"]
    assert (f"; VIDEO_ASSETS_{setting} says where it is" in wrong["found"]) == (name in AWAY)
    assert "\n" not in wrong["found"]
    assert [each["name"] for each in said.json["findings"] if not each["ok"]] == [name], "one cause, one line"
    started = say("up", "--port", "1")
    assert started.code == 1
    assert started.err.strip() == f"video-assets: {name}: {wrong['found']}"
    assert started.out == ""
    assert SECRET not in said.out + said.err + started.err


def test_a_database_of_dagster_s_that_is_away_is_said_in_a_line_and_soon(
    servers: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_DAGSTER_DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/none")
    wrong = findings(say("doctor", "--json"))["dagster"]
    assert not wrong["ok"]
    assert wrong["found"].startswith("the database postgresql://me:***@127.0.0.1:1/none did not answer: ")
    assert wrong["found"].endswith("; VIDEO_ASSETS_DAGSTER_DATABASE_URL says where it is")
    assert "Retrying" not in caplog.text


def test_a_server_that_passes_over_conditions_is_no_storage(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unconditional(self: S3Storage, key: str, data: bytes, etag: str | None) -> str:
        self.put_bytes(key, data)
        return "etag"

    monkeypatch.setattr(S3Storage, "put_if", unconditional)
    wrong = findings(say("doctor", "--json"))["storage"]
    assert not wrong["ok"]
    assert "does not heed conditions" in wrong["found"]


def test_no_secret_is_said_by_anything(
    home: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str, s3_endpoint: str
) -> None:
    """Secrets in every place that may hold one, behind addresses that fail in every way there is."""
    refused = make_url(postgres_url).set(username="nobody", password=SECRET, database="none")
    planted = {
        "DATABASE_URL": refused.render_as_string(hide_password=False),
        "DAGSTER_DATABASE_URL": f"postgresql://dagster:{SECRET}@127.0.0.1:1/dagster",
        "STORAGE_URL": "s3://some-bucket/x",
        "S3_ENDPOINT_URL": s3_endpoint,
        "SEARCH_URL": f"http://elastic:{SECRET}@127.0.0.1:1",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_OPTIONS": f'{{"sasl.password": "{SECRET}", "sasl.username": "me", "sasl.mechanism": "PLAIN",'
        f' "security.protocol": "SASL_PLAINTEXT"}}',
        "CELERY_BROKER_URL": f"redis://me:{SECRET}@127.0.0.1:1/0",
        "OPENAI_API_KEY": SECRET,
        "INBOX": f"s3://key:{SECRET}@bucket/inbox",
    }
    for name, value in planted.items():
        monkeypatch.setenv(f"VIDEO_ASSETS_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "some-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings = Settings.load()
    shown = [repr(settings), str(settings)]
    for words in (
        ("doctor",),
        ("doctor", "--json"),
        ("status",),
        ("status", "--json"),
        ("search", "x"),
        ("reconcile",),
        ("cancel", "1"),
        ("delete", "1", "--yes"),
        ("rebuild", "--index"),
        ("report",),
        ("up", "--port", "1"),
        ("worker",),
        ("events",),
    ):
        said = say(*words)
        assert said.code != 0, words
        shown += [said.out, said.err]
    process = subprocess.run(  # as a process of its own: what libraries log by themselves is in there too
        [sys.executable, "-m", "video_assets.cli", "--debug", "doctor"], capture_output=True, text=True, timeout=120
    )
    shown += [process.stdout, process.stderr]
    assert [text for text in shown if SECRET in text] == []
    written = [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert written == []


def test_whatever_a_library_puts_into_its_message_is_hidden_and_ordinary_words_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_DATABASE_URL", f"postgresql://videos:{SECRET}%21@host/videos")
    monkeypatch.setenv("VIDEO_ASSETS_SEARCH_URL", "http://videos:videos@host:9200")
    Settings.load()
    told = str(PermanentError(f"cannot connect with {SECRET}! as videos"))
    from video_assets.errors import one_line

    assert one_line(told) == "cannot connect with *** as videos"


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    from video_assets.errors import hide, one_line

    hide([SECRET, f"{SECRET}-and-more", SECRET[:8]])
    assert one_line(f"given {SECRET}-and-more and {SECRET}") == "given *** and ***"


def test_must_answer_asks_every_server(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from video_assets.cli.doctor.checks import must_answer
    from video_assets.systems import Systems

    asked: list[str] = []
    real = checks_of_servers.of_servers

    def noted(systems: Systems) -> Any:
        for name, examination in real(systems):
            asked.append(name)
            yield name, examination

    monkeypatch.setattr(checks_of_servers, "of_servers", noted)
    must_answer(Systems(Settings.load()))
    assert asked == ["database", "storage", "library", "search", "events", "redis"]
