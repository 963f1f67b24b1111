"""Each server killed and started again with ten videos in flight: all end ready, nothing is lost or out of order."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from video_assets.cli.doctor.checks import examine
from video_assets.database.models import OutboxOrderRow, OutboxRow, VideoRow
from video_assets.outbox.messages import TOPICS
from video_assets_tests.cli.conftest import say
from video_assets_tests.e2e.conftest import house_settings
from video_assets_tests.e2e.house import House, house, wait_for
from video_assets_tests.e2e.production import Servers, production
from video_assets_tests.e2e.test_loop import made_once
from video_assets_tests.e2e.videos import ALL_TOPICS, add_video, status, topics
from video_assets_tests.outbox.broker import Heard, heard, heard_in_order
from video_assets_tests.services.test_services import SCRIPT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 10
# Below those that the system gives to whoever calls out.
PORTS = {"postgres": 20432, "redis": 20379, "kafka": 20092, "s3": 20000, "elasticsearch": 20200}
FOUND_BY = {"postgres": "database", "redis": "redis", "kafka": "events", "s3": "storage", "elasticsearch": "search"}
"""Server → the examination of `doctor` that misses it."""
ASKED = {"postgres": ("status",), "elasticsearch": ("search", "herons")}
"""Server → a command that cannot do without it."""
Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> Iterator[Script]:
    """The services script, with servers that are this module's own to kill."""
    Servers.of(request)  # says whether there can be any
    home = Path(tempfile.mkdtemp(prefix="dying-"))
    home.chmod(0o755)
    ports = {f"{name.upper()}_PORT": str(port) for name, port in PORTS.items()}
    environment = {**os.environ, "SERVICES_HOME": str(home), "POSTGRES_COMMIT": "on", **ports}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        return done

    try:
        run("up", *PORTS)
        yield run
    finally:
        run("wipe", *PORTS)
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def running(script: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    servers = Servers(
        postgres=f"postgresql+psycopg2://postgres@127.0.0.1:{PORTS['postgres']}/postgres",
        redis=f"redis://127.0.0.1:{PORTS['redis']}/0",
        kafka=f"127.0.0.1:{PORTS['kafka']}",
        s3=f"http://127.0.0.1:{PORTS['s3']}",
        elasticsearch=f"http://127.0.0.1:{PORTS['elasticsearch']}",
    )
    home = tmp_path_factory.mktemp("dying")
    with (
        production(home, servers, house_settings, start_timeout_seconds=40, worker_lost_seconds=15) as settings,
        house(settings) as started,
    ):
        yield started


@pytest.mark.parametrize("server", PORTS)
def test_a_server_that_dies_and_comes_back_costs_nothing_but_time(
    running: House, script: Script, clip: Path, server: str
) -> None:
    videos = [add_video(running.systems, clip, f"{server} {number}") for number in range(COUNT)]
    wait_for("the first to be worked on", lambda: any(status(running.systems, v) != "pending" for v in videos), 90)

    script("kill", server)
    missed = {each.name: each.found for each in examine(running.settings) if not each.ok}
    assert FOUND_BY[server] in missed
    assert "\n" not in missed[FOUND_BY[server]]
    if server in ASKED:
        with running.settings.exported():
            said = say(*ASKED[server])
        assert (said.code, said.out, said.err.count("\n")) == (1, "", 1), said
        assert "unexpected" not in said.err
    script("up", server)

    wait_for(f"all {COUNT} to be ready", lambda: settled(running, videos), 600, pause=1)
    for video_id in videos:
        made_once(running, video_id)
    wait_for("all to be told", lambda: unpublished(running, videos) == 0, 60)
    messages = everything_told(running)
    for video_id in videos:
        # What was made just before the server died may be heard of only from the run after, so not in the usual
        # order; but `ready` is the last word, and consumers hear what the outbox says, as it says it.
        told = topics(running.systems, video_id)
        assert sorted(told) == sorted(ALL_TOPICS)
        assert (told[0], told[-1]) == (ALL_TOPICS[0], ALL_TOPICS[-1])
        prefix = running.settings.kafka_topic_prefix
        assert heard_in_order(messages, [prefix + topic for topic in told], str(video_id))


def settled(running: House, videos: list[int]) -> bool:
    """Whether all of them are ready; a failure ends the waiting."""
    with running.systems.database.read() as session:
        rows = list(session.scalars(select(VideoRow).where(VideoRow.id.in_(videos))))
    assert len(rows) == len(videos)
    failed = [f"{row.id}: {row.status_message}" for row in rows if row.status == "failed"]
    assert failed == []
    return all(row.status == "ready" for row in rows)


def unpublished(running: House, videos: list[int]) -> int:
    with running.systems.database.read() as session:
        order = select(OutboxOrderRow.event_id).where(OutboxOrderRow.video_id.in_(videos))
        return len(list(session.scalars(select(OutboxRow.id).where(OutboxRow.id.in_(order), ~OutboxRow.published))))


def everything_told(running: House) -> list[Heard]:
    settings = running.settings
    names = [settings.kafka_topic_prefix + topic for topic in TOPICS]
    return heard(settings.kafka_bootstrap_servers, names, lambda found: False, 5)
