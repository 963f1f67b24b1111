"""The image is built; an installation of its containers takes videos to `ready`, stops in order, starts again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import psutil
import pytest
from botocore.config import Config
from elasticsearch import Elasticsearch
from sqlalchemy import select

from video_assets.cli.up.services import free_port
from video_assets.database.models import AttemptRow, VideoRow
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.conftest import _missing
from video_assets_tests.docker.containers import DOCKER, ENGINE, ROOT, Docker, Installation
from video_assets_tests.docker.test_compose import shown
from video_assets_tests.e2e.conftest import CAPTIONS
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.e2e.production import Servers, databases, queues
from video_assets_tests.e2e.videos import ALL_TOPICS, topics, wait_until
from video_assets_tests.media.clips import make_clip

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(880)]

LARGEST_IMAGE = 1_500_000_000
PARTS = ("webserver", "daemon", "worker", "web")


@pytest.fixture(scope="module")
def docker() -> Docker:
    """The engine, started where it can be, with an image to build from."""
    ready = subprocess.run([ENGINE, "base"], capture_output=True, text=True, timeout=600)
    if ready.returncode:
        _missing("a Docker engine", (ready.stderr.strip().splitlines() or ["the script failed"])[-1])
    return Docker(subprocess.run([ENGINE, "host"], capture_output=True, text=True, check=True).stdout.strip())


@pytest.fixture(scope="module")
def image(docker: Docker) -> str:
    """The image, built as `make image` does. Steps whose inputs have not changed are not done again."""
    tag = "video-assets:test"
    docker(
        "build",
        "--network",
        "host",
        "--file",
        str(ROOT / "docker" / "Dockerfile"),
        "--tag",
        tag,
        str(ROOT),
        seconds=800,
    )
    return tag


def test_the_image_is_small_and_holds_no_tools(docker: Docker, image: str) -> None:
    assert docker.inspect(image, ".Size") < LARGEST_IMAGE
    config = docker.inspect(image, ".Config")
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["tini", "--", "role"]
    inside = docker(
        "run",
        "--rm",
        "--entrypoint",
        "sh",
        image,
        "-c",
        "id -u; ls /opt/video-assets/lib/python3.11/site-packages | grep -c -i -x -e pytest -e mypy -e pip; "
        "python -m pip --version 2>&1 | tail -n 1; cat /data/x 2>&1; ls -A /data /inbox",
    ).stdout.splitlines()
    assert inside[:2] == ["10001", "0"]
    assert "No module named pip" in inside[2]


def test_a_command_works_without_the_word_before_it(docker: Docker, image: str) -> None:
    both = [docker("run", "--rm", image, *words, "--version").stdout for words in ([], ["video-assets"])]
    assert both[0] == both[1]
    assert both[0].startswith("video-assets, version")
    wrong = docker("run", "--rm", image, "nonsense", check=False)
    assert wrong.returncode == 2
    assert "No such command 'nonsense'" in wrong.stderr


def test_the_image_has_what_the_embedded_profile_needs_too(docker: Docker, image: str, clip: Path) -> None:
    embedded = {"DAGSTER_HOME": "", "VIDEO_ASSETS_DB_SYNC": "true", "VIDEO_ASSETS_LADDER": "240"}
    words = [word for each in embedded.items() for word in ("--env", "=".join(each))]
    words += ["--volume", f"{clip.parent}:/in:ro", image, "process", f"/in/{clip.name}", "--json"]
    said = docker("run", "--rm", *words, seconds=300)
    assert json.loads(said.stdout)["videos"][0]["status"] == "ready"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary little video with captions inside, which anybody may read."""
    folder = tmp_path_factory.mktemp("clips")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    return make_clip(folder / "herons.mp4", captions=CAPTIONS)


@pytest.fixture(scope="module")
def installation(
    request: pytest.FixtureRequest, docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Systems]]:
    """Migrated, its parts running; and the systems behind it, to see what it makes."""
    servers = Servers.of(request)
    search: str = request.getfixturevalue("elasticsearch_server")
    home = tmp_path_factory.mktemp("outside")
    with (
        pytest.MonkeyPatch.context() as environment,
        databases(servers.postgres, f"image_{uuid4().hex[:12]}") as [database],
        queues(servers.redis) as broker,
    ):
        name = database.rpartition("/")[2].replace("_", "-")
        keys = {"AWS_ACCESS_KEY_ID": servers.s3_key, "AWS_SECRET_ACCESS_KEY": servers.s3_secret}
        given = keys | {
            "WORKER_SLOTS": "1",
            "WORKER_CPUS": "2",
            "VIDEO_ASSETS_DATABASE_URL": database,
            "VIDEO_ASSETS_DAGSTER_DATABASE_URL": database,
            "VIDEO_ASSETS_STORAGE_URL": f"s3://{name}/library",
            "VIDEO_ASSETS_LOGS_BUCKET": name,
            "VIDEO_ASSETS_S3_ENDPOINT_URL": servers.s3,
            "VIDEO_ASSETS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka,
            "VIDEO_ASSETS_KAFKA_TOPIC_PREFIX": f"{name}.",
            "VIDEO_ASSETS_CELERY_BROKER_URL": broker,
            "VIDEO_ASSETS_SEARCH_URL": f"{search}/{name}",
            "VIDEO_ASSETS_MAX_CONCURRENT_RUNS": "1",
            "VIDEO_ASSETS_LADDER": "720,480,360,240",
            "VIDEO_ASSETS_MIN_FREE_BYTES": "0",
            "VIDEO_ASSETS_STOP_GRACE_SECONDS": "2",
            "VIDEO_ASSETS_INBOX_SETTLE_SECONDS": "1",
            "VIDEO_ASSETS_RECONCILE_SECONDS": "2",
        }
        for variable, value in {**keys, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            environment.setenv(variable, value)
        outside = Settings(
            home=home,
            database_url=database,
            storage_url=given["VIDEO_ASSETS_STORAGE_URL"],
            s3_endpoint_url=servers.s3,
            db_sync=False,
        )
        running = Installation(docker, image, given, port=free_port(), web_port=free_port())
        with emptied(servers.s3, name), unindexed(search, name):
            try:
                running.run("migrate")
                for part in PARTS:
                    running.start(part, healthy=False)
                for part in PARTS:
                    running.wait_until_healthy(part)
                yield running, Systems(outside)
            finally:
                running.remove()


@contextmanager
def emptied(endpoint: str, name: str) -> Iterator[None]:
    """Removes the bucket of this name afterwards."""
    yield
    client: Any = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


@contextmanager
def unindexed(server: str, name: str) -> Iterator[None]:
    """Removes the indices of this name afterwards."""
    yield
    with Elasticsearch(server) as client:
        for index in client.indices.get(index=f"{name}*", allow_no_indices=True):
            client.indices.delete(index=index)


def test_the_parts_run_as_nobody_special_and_can_write_nothing_of_their_own(
    installation: tuple[Installation, Systems],
) -> None:
    running, _ = installation
    for part in PARTS:
        name = running.container(part)
        pid = running.docker.inspect(name, ".State.Pid")
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert {process.uids().real for process in family} == {10001}
        written = running.docker("exec", name, "sh", "-c", "touch /opt/video-assets/x", check=False)
        assert "Read-only file system" in written.stderr


def test_the_ui_answers_on_this_machine_alone(installation: tuple[Installation, Systems]) -> None:
    running, _ = installation
    answer = httpx.get(f"http://127.0.0.1:{running.port}/server_info", timeout=10).json()
    assert answer["dagster_webserver_version"] == "1.13.27"
    listening = [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == running.port]
    assert {each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_everything_it_stands_on_is_found_well(installation: tuple[Installation, Systems]) -> None:
    running, _ = installation
    said = running.docker("exec", running.container("worker"), "video-assets", "doctor", "--json", check=False)
    findings = {each["name"]: each for each in json.loads(said.stdout)["findings"]}
    print(findings)
    wrong = {name: each["found"] for name, each in findings.items() if not each["ok"]}
    # The inbox is the daemon's alone.
    assert set(wrong) <= {"inbox"}, wrong
    assert "the daemon is running" in findings["dagster"]["found"]


def test_a_file_given_to_process_becomes_ready(installation: tuple[Installation, Systems], clip: Path) -> None:
    running, systems = installation
    said = running.run("worker", "process", f"/in/{clip.name}", "--json", more=["--volume", f"{clip.parent}:/in:ro"])
    [video] = json.loads(said.stdout)["videos"]
    assert (video["status"], video["status_message"]) == ("ready", None)
    wait_for("its events", lambda: topics(systems, video["id"]) == ALL_TOPICS, 30)
    assert hits(running, "herons")[0]["video_id"] == video["id"]


def test_a_file_in_the_inbox_goes_through_daemon_and_worker(
    installation: tuple[Installation, Systems], clip: Path
) -> None:
    running, systems = installation
    video_id = dropped(running, systems, clip, "from the inbox")
    wait_until(systems, video_id, "ready", 120)
    assert topics(systems, video_id) == ALL_TOPICS
    assert attempts(systems, video_id) == ["succeeded"]

    def logs() -> list[str]:
        return [stat.key for stat in Systems(logs_of(running, systems)).storage.list("")]

    assert wait_for("what the run printed, in the bucket", lambda: [key for key in logs() if key.endswith(".err")], 30)


def logs_of(running: Installation, systems: Systems) -> Settings:
    """Settings whose storage is where compute logs are."""
    bucket = running.given["VIDEO_ASSETS_LOGS_BUCKET"]
    return systems.settings.model_copy(update={"storage_url": f"s3://{bucket}/compute-logs"})


def test_a_worker_told_to_stop_in_the_middle_hands_its_run_back(
    installation: tuple[Installation, Systems], tmp_path: Path
) -> None:
    running, systems = installation
    long = make_clip(tmp_path / "long.mp4", seconds=60, size=(1280, 720), captions=CAPTIONS)
    video_id = dropped(running, systems, long, "long")
    wait_for("its encode to begin", lambda: encoding(running), 240)

    code = running.stop("worker")

    assert code != 137, "it had to be killed"
    wait_for("the run to be given back", lambda: "started" not in attempts(systems, video_id), 60)
    running.start("worker")
    wait_until(systems, video_id, "ready", 240)
    assert attempts(systems, video_id)[-1] == "succeeded"
    assert topics(systems, video_id) == ALL_TOPICS


def encoding(running: Installation) -> bool:
    """Whether FFmpeg writes rungs in the worker's container."""
    # Without -ww lines are cut at 80 columns, and FFmpeg's last words are what is looked for.
    table = running.docker("top", running.container("worker"), "-eww", "-o", "pid,args").stdout
    return any("ffmpeg" in line and "p.mp4" in line for line in table.splitlines())


def test_all_of_it_stops_in_order_and_starts_again_over_the_same_data(
    installation: tuple[Installation, Systems],
) -> None:
    running, systems = installation
    before = statuses(systems)
    assert "ready" in before.values()
    codes = {part: running.stop(part) for part in PARTS}
    assert 137 not in codes.values(), codes

    running.run("migrate")
    for part in PARTS:
        running.start(part)

    assert statuses(systems) == before
    said = json.loads(running.run("worker", "status", "--json").stdout)
    assert {each["id"]: each["status"] for each in said["videos"]} == before


def test_database_and_index_are_made_anew_from_the_bucket(
    installation: tuple[Installation, Systems], request: pytest.FixtureRequest
) -> None:
    running, systems = installation
    before = statuses(systems)
    with databases(Servers.of(request).postgres, f"{running.name.replace('-', '_')}_anew") as [empty]:
        given = {**running.given, "VIDEO_ASSETS_DATABASE_URL": empty, "VIDEO_ASSETS_DAGSTER_DATABASE_URL": empty}
        other = Installation(running.docker, running.image, given, name=running.name)
        other.run("migrate")
        other.run("worker", "rebuild", "--database")
        other.run("worker", "rebuild", "--index")
        restored = Systems(systems.settings.model_copy(update={"database_url": empty}))
        assert statuses(restored) == before
        assert {each["video_id"] for each in hits(other, "herons")} == set(before)
        restored.database.dispose()


def dropped(running: Installation, systems: Systems, file: Path, title: str) -> int:
    """Copies a file into the inbox, as `docker compose cp` does; the id of the video it becomes."""
    running.docker("cp", str(file), f"{running.container('daemon')}:/inbox/{title}.mp4")

    def known() -> int | None:
        with systems.database.read() as session:
            return session.scalar(select(VideoRow.id).where(VideoRow.title == title))

    try:
        return wait_for(f"{title} to be taken in", known, 60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{running.logs('daemon')}") from None


def hits(running: Installation, words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(running.run("worker", "search", words, "--json").stdout)["hits"]
    return found


def statuses(systems: Systems) -> dict[int, str]:
    with systems.database.read() as session:
        return {each.id: each.status for each in session.scalars(select(VideoRow))}


def attempts(systems: Systems, video_id: int) -> list[str]:
    with systems.database.read() as session:
        chosen = select(AttemptRow.state).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return list(session.scalars(chosen))


def test_the_bucket_s_volume_is_backed_up_and_restored_with_what_s3_knows_of_its_objects(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    """The two commands of docker/README.md, as they stand there."""
    ours = ("--no-deps", "--no-TTY")  # Compose's own words
    saving, restoring = ([word for word in words if word not in ours] for words in backup_commands())
    first, second = (f"test-{uuid4().hex[:10]}" for _ in range(2))
    root = ["run", "--rm", "--user", "0", "--entrypoint", "python"]
    try:
        docker(*root, "--volume", f"{first}:/s3", image, "-c", OBJECT)
        archive = tmp_path / "s3.tar"
        for words, volume, how in ((saving, first, f"> {archive}"), (restoring, second, f"< {archive}")):
            line = " ".join([DOCKER, "-H", docker.host, "run", "--interactive", "--cap-drop", "ALL", *words])
            line = line.replace("video-assets_s3", volume).replace(" worker ", f" {image} ")
            subprocess.run(["bash", "-c", f"{line} {how}"], check=True, timeout=60)
        read = "import os; print(open('/s3/b/o').read(), os.getxattr('/s3/b/o', 'user.etag'))"
        assert docker(*root, "--volume", f"{second}:/s3", image, "-c", read).stdout == "bytes b'abc'\n"
    finally:
        docker("volume", "rm", "--force", first, second)


OBJECT = """
import os
os.makedirs("/s3/b", mode=0o700)
open("/s3/b/o", "w").write("bytes")
os.setxattr("/s3/b/o", "user.etag", b"abc")
os.chmod("/s3/b/o", 0o400)
os.chown("/s3/b/o", 1234, 1234)
"""


def backup_commands() -> list[list[str]]:
    """The words of the `docker compose run … tar …` commands, without the redirection at their end."""
    return [
        re.split(r"\s[<>]", " ".join(rest))[0].split() for verb, *rest in shown() if verb == "run" and "tar" in rest
    ]
