"""Each role starts with exactly the environment that docker/README.md produces: the image's, compose.yaml's, and a
docker/.env that says where the servers are. Without an engine: the image's own script, on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from video_assets.cli.up import guard
from video_assets.cli.up.services import free_port
from video_assets.settings import Settings
from video_assets_tests.docker.reading import FOLDER, read, resolved
from video_assets_tests.docker.test_compose import OTHERS, filled_in, service
from video_assets_tests.docker.test_image import emptied, unindexed
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.e2e.production import Servers, databases, queues

ROOT = FOLDER.parent


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets."""
    last = (FOLDER / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", last, re.MULTILINE)
    return dict(re.findall(r"([A-Z_]+)=(\S+)", block))


def test_whatever_the_production_instance_reads_is_given() -> None:
    instance = (FOLDER / "dagster.yaml").read_text(encoding="utf-8")
    read_there = set(re.findall(r"^ +env: (\w+)$", instance, re.MULTILINE))
    assert read_there
    given = set(image_environment()) | set(service("daemon")["environment"])
    assert read_there - given == set()
    assert image_environment()["VIDEO_ASSETS_MAX_CONCURRENT_RUNS"] == str(Settings().max_concurrent_runs)


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a container: nothing of this machine but where Python is."""
    servers = Servers.of(request)
    folder = tmp_path_factory.mktemp("image")
    for name in ("dagster.yaml", "workspace.yaml"):
        copied = FOLDER / name if (FOLDER / name).exists() else ROOT / name
        (folder / "dagster").mkdir(exist_ok=True)
        shutil.copy(copied, folder / "dagster" / name)
    with databases(servers.postgres, f"roles_{uuid4().hex[:12]}") as [database], queues(servers.redis) as broker:
        name = database.rpartition("/")[2].replace("_", "-")
        given = filled_in() | {
            "AWS_ACCESS_KEY_ID": servers.s3_key,
            "AWS_SECRET_ACCESS_KEY": servers.s3_secret,
            "VIDEO_ASSETS_DATABASE_URL": database,
            "VIDEO_ASSETS_DAGSTER_DATABASE_URL": database,
            "VIDEO_ASSETS_STORAGE_URL": f"s3://{name}/library",
            "VIDEO_ASSETS_LOGS_BUCKET": name,
            "VIDEO_ASSETS_S3_ENDPOINT_URL": servers.s3,
            "VIDEO_ASSETS_CELERY_BROKER_URL": broker,
            "VIDEO_ASSETS_SEARCH_URL": f"{servers.elasticsearch}/{name}",
            "VIDEO_ASSETS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
            "VIDEO_ASSETS_INBOX": str(folder / "inbox"),
        }
        compose: dict[str, Any] = resolved(read("compose.yaml")["services"]["daemon"]["environment"], given)
        # env_file gives all of docker/.env, those lines too that compose.yaml does not name.
        made = image_environment() | given | {key: str(value) for key, value in compose.items()}
        assert set(made) - OTHERS - set(given) - set(image_environment()) <= set(compose)
        made |= {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "DAGSTER_HOME": str(folder / "dagster"),
            "VIDEO_ASSETS_HOME": str(folder / "data"),
            "HF_HOME": str(folder / "models"),
            "TMPDIR": str(folder),
        }
        keys = {"AWS_ACCESS_KEY_ID": servers.s3_key, "AWS_SECRET_ACCESS_KEY": servers.s3_secret}
        with (
            pytest.MonkeyPatch.context() as ours,
            emptied(servers.s3, name),
            unindexed(servers.elasticsearch, name),
        ):
            for variable, value in keys.items():
                ours.setenv(variable, value)
            ran = role(made, "migrate", "--buckets")
            assert ran.returncode == 0, ran.stderr
            yield made


def role(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", FOLDER / "role", *words], env=environment, capture_output=True, text=True, timeout=100)


@contextmanager
def playing(environment: dict[str, str], log: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A role that stays; nothing of it does afterwards."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["sh", FOLDER / "role", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=environment["DAGSTER_HOME"],
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            guard.kill({process.pid})
            process.wait()


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", ["daemon", "worker", "webserver", "web"])
def test_each_role_comes_up_and_is_healthy(environment: dict[str, str], part: str, tmp_path: Path) -> None:
    words, log, more = service(part)["command"], tmp_path / "log", []
    words = resolved(words, filled_in())
    if part in ("webserver", "web"):
        more = ["--port", str(free_port())]
        words = [word for word in words if word not in ("--host", "0.0.0.0")]  # nothing of a test listens to others
    with playing(environment, log, *words, *more) as process:

        def healthy() -> bool:
            assert process.poll() is None, log.read_text(errors="replace")[-3000:]
            return role(environment, "healthy", part, *more).returncode == 0

        wait_for(f"the {part} to be healthy", healthy, 120, pause=1)
    assert os.path.getsize(log) < 100_000
