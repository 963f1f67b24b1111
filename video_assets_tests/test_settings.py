"""Settings: read from the environment, handed on to children whole, and secrets shown nowhere."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings

KEY = "sk-not-to-be-seen-4711"


@pytest.fixture
def secretive(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, openai_api_key=SecretStr(KEY), openai_base_url="http://127.0.0.1:9/v1/")


def test_the_key_is_shown_by_nothing_that_shows_settings(secretive: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").info("%s %r", secretive, secretive)
    shown = [repr(secretive), str(secretive), secretive.model_dump_json(), str(secretive.model_dump()), caplog.text]
    assert [text for text in shown if KEY in text] == []


def test_a_child_gets_every_setting_and_the_key(secretive: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "from video_assets.settings import Settings; s = Settings.load()\n"
            "print(s.openai_api_key.get_secret_value(), s.openai_base_url, s.model_dump_json())",
        ],
        env=secretive.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    key, url, rest = child.stdout.split(" ", 2)
    assert (key, url) == (KEY, "http://127.0.0.1:9/v1")
    assert json.loads(rest) == json.loads(secretive.model_dump_json()), "secrets are masked in both"
    with secretive.exported():
        assert Settings.load().openai_api_key.get_secret_value() == KEY


def test_passwords_within_urls_are_shown_by_no_repr() -> None:
    settings = Settings(
        database_url=f"postgresql://me:{KEY}@host/db",
        search_url=f"https://me:{KEY}@host:9200",
        storage_url=f"s3://me:{KEY}@bucket",
        inbox=f"s3://me:{KEY}@bucket/inbox",
        kafka_bootstrap_servers="host:9092",
    )
    for text in (repr(settings), str(settings)):
        assert KEY not in text
        assert "postgresql://me:***@host/db" in text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENAI_BASE_URL", "localhost:8000", "give http://host:port/v1"),
        ("OPENAI_BASE_URL", "file:///etc/passwd", "give http://host:port/v1"),
        ("OPENAI_BASE_URL", f"https://me:{KEY}@host/v1", "not within the URL"),
        ("OPENAI_API_KEY", f"{KEY}\nx", "paste it again"),
        ("S3_ENDPOINT_URL", "minio:9000", "give http://host:port"),
        ("S3_ENDPOINT_URL", "http://minio:9000/bucket", "give http://host:port"),
        ("S3_ENDPOINT_URL", f"http://me:{KEY}@minio:9000", "not within the URL"),
        ("S3_ENCRYPTION", "rot13", "AES256"),
        ("LADDER", "big,small", "rung heights"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VIDEO_ASSETS_{name}", value)
    with pytest.raises(PermanentError, match=f"VIDEO_ASSETS_{name}: .*{said}") as caught:
        Settings.load()
    assert KEY not in str(caught.value)


def test_settings_are_exported_by_threads_at_once_and_never_seen_to_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_HOME", str(tmp_path))
    ours, missing, over = Settings.load(), list[str](), threading.Event()

    def look() -> None:
        while not over.is_set():
            missing.extend(name for name in ("VIDEO_ASSETS_HOME", "PATH") if name not in os.environ)

    def export() -> None:
        for _ in range(300):
            with ours.exported():
                assert os.environ["VIDEO_ASSETS_LADDER"] == ours.ladder

    with ThreadPoolExecutor(5) as threads:
        looking = threads.submit(look)
        exporting = [threads.submit(export) for _ in range(4)]
        for each in exporting:
            each.result()
        over.set()
        looking.result()
    assert missing == []
    assert "VIDEO_ASSETS_LADDER" not in os.environ


def test_what_was_exported_last_is_seen_and_then_what_was_before(tmp_path: Path) -> None:
    outer, inner = Settings(home=tmp_path, ladder="720"), Settings(home=tmp_path, ladder="480")
    with outer.exported():
        with inner.exported():
            assert os.environ["VIDEO_ASSETS_LADDER"] == "480"
        assert os.environ["VIDEO_ASSETS_LADDER"] == "720"
    assert "VIDEO_ASSETS_LADDER" not in os.environ


def test_only_a_process_that_loads_its_settings_hides_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(openai_api_key=SecretStr("planted-key-0815"))
    assert one_line("the key planted-key-0815") == "the key planted-key-0815"
    monkeypatch.setenv("VIDEO_ASSETS_OPENAI_API_KEY", "planted-key-0815")
    Settings.load()
    assert one_line("the key planted-key-0815") == "the key ***"
