"""The script that starts servers: idempotent, honest about what is up, and data survive a kill."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from sqlalchemy import create_engine, text

SCRIPT = Path(__file__).with_name("services")
Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def script(postgres_url: str, port: int) -> Iterator[Script]:
    """Runs the script with servers of the test's own. (The fixture it needs says whether there can be any.)"""
    # Not below pytest's folder: the servers run as users of their own, who may not look into it.
    home = Path(tempfile.mkdtemp(prefix="services-"))
    home.chmod(0o755)
    # What has to be fetched or built first is not fetched or built again: that is kept elsewhere.
    environment = {**os.environ, "SERVICES_HOME": str(home), "POSTGRES_PORT": str(port), "S3_PORT": str(port)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, timeout=120)

    yield run
    run("wipe")
    shutil.rmtree(home)


def url_of(script: Script) -> str:
    return script("env", "postgres").stdout.removeprefix("export TEST_DATABASE_URL=").strip()


def test_a_server_starts_once_survives_a_kill_and_stops(script: Script) -> None:
    script("down")
    assert script("env").stdout == ""
    assert script("up", "postgres").returncode == 0
    url = url_of(script)
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        first = connection.execute(text("SELECT pg_postmaster_start_time()")).scalar_one()
        connection.execute(text("CREATE TABLE kept AS SELECT 42 AS answer"))
        connection.execute(text("CHECKPOINT"))
        assert script("up", "postgres").returncode == 0
        assert connection.execute(text("SELECT pg_postmaster_start_time()")).scalar_one() == first

    assert script("kill", "postgres").returncode == 0
    assert script("env").stdout == ""
    again = script("up", "postgres")
    assert again.returncode == 0, again.stderr
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT answer FROM kept")).scalar_one() == 42
        assert connection.execute(text("SELECT pg_postmaster_start_time()")).scalar_one() > first

    assert script("down").returncode == 0
    assert script("env").stdout == ""
    assert script("down").returncode == 0


def test_objects_survive_a_kill_of_s3(script: Script, s3_client: Any, port: int) -> None:
    script("down")
    mine = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=Config(s3={"addressing_style": "path"}))
    assert script("up", "s3").returncode == 0
    mine.create_bucket(Bucket="kept")
    mine.put_object(Bucket="kept", Key="a/b", Body=b"bytes", ContentType="video/mp4")
    assert script("kill", "s3").returncode == 0
    assert script("env").stdout == ""
    again = script("up", "s3")
    assert again.returncode == 0, again.stderr
    found = mine.get_object(Bucket="kept", Key="a/b")
    assert (found["Body"].read(), found["ContentType"]) == (b"bytes", "video/mp4")
    assert script("down").returncode == 0


def test_without_a_compiler_it_is_said_what_to_install(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cat", "cut", "dirname", "basename", "flock", "id", "mkdir", "chmod", "sed", "seq", "mv"):
        (programs / name).symlink_to(str(shutil.which(name)))
    environment = {
        "PATH": str(programs),
        "HOME": str(tmp_path),
        "SERVICES_HOME": str(tmp_path / "state"),
        "SERVICES_PROGRAMS": str(tmp_path / "none"),
    }
    answer = subprocess.run([SCRIPT, "up", "s3"], env=environment, capture_output=True, text=True, timeout=30)
    assert answer.returncode != 0
    assert "go is not installed" in answer.stderr.splitlines()[-1]


def test_a_taken_port_is_said_and_nothing_is_left(script: Script, port: int) -> None:
    script("down")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen()
        answer = script("up", "postgres")
    assert answer.returncode != 0
    assert "postgres did not come up" in answer.stderr
    assert script("env").stdout == ""


@pytest.mark.parametrize("words", [("up", "nonsense"), ("nonsense",), ()])
def test_wrong_usage_is_said(words: tuple[str, ...]) -> None:
    answer = subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=30)
    assert answer.returncode != 0
    assert "services" in answer.stdout + answer.stderr
