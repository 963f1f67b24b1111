"""The script that starts servers: idempotent, honest about what is up, and data survive a kill."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
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
    environment = {**os.environ, "SERVICES_HOME": str(home), "POSTGRES_PORT": str(port)}

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
