"""The production profile alone: what consumers hear, workers that stop, cancelling, and servers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from confluent_kafka import Producer
from sqlalchemy import select

from video_assets.clock import utc_now
from video_assets.database.models import AttemptRow, OutboxOrderRow, OutboxRow
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.instance.queues import RUNS
from video_assets.defs.operations.cancel import cancel_video
from video_assets.defs.operations.unfinished import unfinished_runs
from video_assets.outbox import messages
from video_assets.outbox.messages import TOPICS
from video_assets.settings import Settings
from video_assets_tests.e2e.conftest import house_settings
from video_assets_tests.e2e.house import WORKSPACE, House, house, wait_for
from video_assets_tests.e2e.production import Servers, production
from video_assets_tests.e2e.test_graphql import QUERIES, finished_backfill
from video_assets_tests.e2e.test_loop import SLOW_LADDER, attempt_states, encoders, long_clip, made_once, worker_of
from video_assets_tests.e2e.videos import ALL_TOPICS, add_video, row, status, topics, wait_until
from video_assets_tests.outbox.broker import Heard, heard, heard_in_order

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("production")
    changes = {"ladder": SLOW_LADDER, "stop_grace_seconds": 1, "start_timeout_seconds": 30, "worker_lost_seconds": 30}
    with production(home, Servers.of(request), house_settings, **changes) as made:
        yield made


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[House]:
    with house(settings) as started:
        yield started


def told(running: House, videos: list[int], count: int, seconds: float = 20) -> list[Heard]:
    """What consumers of all topics hear of these videos; none before it is `count` messages."""
    settings = running.settings
    names = [settings.kafka_topic_prefix + topic for topic in TOPICS]
    keys = {str(video_id) for video_id in videos}

    def of_them(found: list[Heard]) -> list[Heard]:
        return [each for each in found if each.key in keys]

    found = heard(settings.kafka_bootstrap_servers, names, lambda found: len(of_them(found)) >= count, seconds)
    return of_them(found) if len(of_them(found)) >= count else []


def outbox(running: House, video_id: int) -> list[OutboxRow]:
    """The video's messages as the table has them, in their order."""
    with running.systems.database.read() as session:
        joined = select(OutboxRow).join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        return list(session.scalars(joined.where(OutboxOrderRow.video_id == video_id).order_by(OutboxOrderRow.seq)))


def test_consumers_hear_exactly_what_happened_in_order_and_soon(running: House, clip: Path) -> None:
    videos = [add_video(running.systems, clip, f"Heard {number}") for number in range(2)]
    for video_id in videos:
        wait_until(running.systems, video_id, "ready", 120)
    # `ready` stands in the tables since the transaction that put the last messages into the outbox.
    messages = wait_for("all to be told", lambda: told(running, videos, 10, 1), 5)
    prefix = running.settings.kafka_topic_prefix

    for video_id in videos:
        rows = outbox(running, video_id)
        assert [row.topic for row in rows] == ALL_TOPICS
        assert heard_in_order(messages, [prefix + topic for topic in ALL_TOPICS], str(video_id))
        ours = {each.topic.removeprefix(prefix): each for each in messages if each.key == str(video_id)}
        for told_of in rows:
            message = ours[told_of.topic]
            assert message.payload == json.loads(json.dumps(told_of.payload))
            assert message.headers["messageId"] == message.payload["id"] == str(told_of.id)


def test_a_run_that_is_cancelled_ends_as_canceled(running: House, tmp_path: Path) -> None:
    video_id = add_video(running.systems, long_clip(tmp_path))
    encoder = wait_for("the encoder", lambda: encoders(str(running.settings.work_folder)), 60)[0]

    with open_instance(running.settings) as instance:
        assert cancel_video(running.systems, instance, video_id) == 1
        wait_for("the run to end", lambda: not unfinished_runs(instance, video_id), 20)

    wait_for("the video to say so", lambda: attempt_states(running, video_id) == ["canceled"], 20)
    assert not encoder.is_running()
    found = row(running.systems, video_id)
    assert found is not None
    assert (found.status, found.status_message) == ("failed", "canceled")


@pytest.mark.parametrize("deployments", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_a_worker_told_to_stop_hands_its_run_back(running: House, tmp_path: Path, deployments: int) -> None:
    video_id = add_video(running.systems, long_clip(tmp_path))
    for _ in range(deployments):
        encoder = wait_for("the encoder", lambda: encoders(str(running.settings.work_folder)), 90)[0]
        first, child = running.worker, worker_of(encoder)
        assert first is not None

        first.send_signal(signal.SIGTERM)
        running.worker = running.start_worker()

        assert first.wait(timeout=20) == 0
        assert not child.is_running()
    wait_until(running.systems, video_id, "ready", 120)
    kinds = attempt_kinds(running, video_id)
    assert kinds == ["handed_back"] * deployments + [""], "a deployment is no lost worker"
    assert topics(running.systems, video_id) == ALL_TOPICS
    made_once(running, video_id)


@pytest.mark.slow
def test_no_connection_of_the_worker_is_shared_with_its_children(running: House, clip: Path) -> None:
    worker = running.worker
    assert worker is not None
    parent = psutil.Process(worker.pid)
    wait_until(running.systems, add_video(running.systems, clip, "Before the fork"), "ready", 120)
    assert shared_connections(parent) == set()
    # One that dies is replaced by a fork of the parent as it is by now, with its broker's connection open.
    born = {child.pid for child in parent.children()}
    for child in parent.children():
        child.kill()
    wait_for("other children", lambda: len({c.pid for c in parent.children()} - born) == len(born), 60)
    wait_until(running.systems, add_video(running.systems, clip, "After it"), "ready", 120)
    assert shared_connections(parent) == set()


def test_what_a_run_prints_is_kept_in_the_bucket_and_read_through_graphql(running: House, clip: Path) -> None:
    video_id = add_video(running.systems, clip, "It prints")
    wait_until(running.systems, video_id, "ready", 120)
    (run_id,) = attempt_runs(running, video_id)
    settings = running.settings

    def kept() -> list[str]:
        found = running.systems.client_of_s3.list_objects_v2(Bucket=settings.logs_bucket, Prefix="compute-logs/")
        return [each["Key"] for each in found.get("Contents", ()) if run_id in each["Key"] and each["Size"]]

    wait_for("its log in the bucket", kept, 30)
    logs = running.graphql(CAPTURED, {"runId": run_id})["logsForRun"]["events"]
    (key,) = {event["fileKey"] for event in logs if event["__typename"] == "LogsCapturedEvent"}
    said = running.graphql(PRINTED, {"logKey": [run_id, "compute_logs", key]})["capturedLogs"]
    assert "STEP_SUCCESS" in said["stderr"]
    assert run_id in said["stderr"]


def test_what_another_service_says_it_uploaded_becomes_a_ready_video(running: House, clip: Path) -> None:
    systems, settings = running.systems, running.settings
    video_id = add_video(systems, clip, "The newest of ours") + 500
    key = f"uploads/{video_id}/From_another_service.mp4"
    systems.storage.put_file(key, clip)
    message = messages.uploaded(
        video_id,
        user_id=3,
        file_key=key,
        filename="From_another_service.mp4",
        content_type="video/mp4",
        upload_id=None,
        location=None,
        correlation_id="theirs",
        at=utc_now(),
    )
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all"})
    topic = settings.kafka_topic_prefix + messages.UPLOADED
    for _ in range(2):  # at least once, as they promise
        producer.produce(topic, key=str(video_id), value=json.dumps(message.payload).encode())
    assert producer.flush(20) == 0

    wait_for("the row", lambda: row(systems, video_id), 30)
    wait_until(systems, video_id, "ready", 120)
    found = row(systems, video_id)
    assert found is not None
    assert (found.title, found.user_id, found.key) == ("From another service", 3, key)
    # What was told to us is not told again; everything after it is.
    ours = wait_for("all to be told", lambda: told_of(running, video_id, 2 + 4), 20)
    assert sorted(ours) == sorted([messages.UPLOADED, *ALL_TOPICS])
    made_once(running, video_id)


@pytest.mark.slow
def test_a_queue_that_is_lost_is_noticed_and_its_run_launched_again(running: House, clip: Path) -> None:
    worker, queue = running.worker, redis.Redis.from_url(running.settings.celery_broker_url)
    assert worker is not None
    worker.send_signal(signal.SIGTERM)
    worker.wait(timeout=30)
    video_id = add_video(running.systems, clip, "Lost in the queue")
    wait_for("its run to be queued", lambda: queue.llen(RUNS), 60)

    queue.delete(RUNS)
    running.worker = running.start_worker()

    wait_until(running.systems, video_id, "ready", 180)
    assert attempt_kinds(running, video_id) == ["launch_lost", ""]
    assert topics(running.systems, video_id) == ALL_TOPICS
    made_once(running, video_id)


@pytest.mark.slow
def test_an_upload_does_not_wait_behind_a_backfill_of_twenty(running: House, clip: Path) -> None:
    systems = running.systems
    videos = [add_video(systems, clip, f"Backfilled {number}") for number in range(20)]
    wait_for("all to be ready", lambda: all(status(systems, each) == "ready" for each in videos), 500, pause=1)
    before = [topics(systems, video_id) for video_id in videos]

    answer = running.graphql(
        QUERIES["Backfill"],
        {"assets": [{"path": ["transcripts"]}, {"path": ["summaries"]}], "videoIds": [str(each) for each in videos]},
    )["launchPartitionBackfill"]
    wait_for("the first of its runs", lambda: backfilled(running, videos), 60)
    upload = add_video(systems, clip, "Somebody waits for this one")
    wait_until(systems, upload, "ready", 200)
    assert not finished_backfill(running, answer["backfillId"]), "the upload was held up until the backfill was over"

    state = wait_for("its end", lambda: finished_backfill(running, answer["backfillId"]), 400, pause=1)
    assert state["status"] == "COMPLETED_SUCCESS"
    assert [status(systems, video_id) for video_id in videos] == ["ready"] * 20
    assert [topics(systems, video_id) for video_id in videos] == before


@pytest.mark.slow
def test_two_daemons_do_no_harm(running: House, clip: Path) -> None:
    with (running.settings.home / "second.log").open("ab") as out:
        second = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(WORKSPACE)],
            stdout=out,
            stderr=out,
            env=running.settings.environment(),
            cwd=running.settings.home,
            start_new_session=True,
        )
    try:
        videos = [add_video(running.systems, clip, f"Twice seen {number}") for number in range(6)]
        for video_id in videos:
            wait_until(running.systems, video_id, "ready", 200)
        assert second.poll() is None
        before = {video_id: topics(running.systems, video_id) for video_id in videos}
        assert before == dict.fromkeys(videos, ALL_TOPICS)
        for video_id in videos:
            made_once(running, video_id)
        messages = wait_for("all to be told", lambda: told(running, videos, len(videos) * 5), 60)
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
    prefix = running.settings.kafka_topic_prefix
    for video_id in videos:
        assert heard_in_order(messages, [prefix + topic for topic in ALL_TOPICS], str(video_id))


def told_of(running: House, video_id: int, count: int) -> list[str]:
    """Topics of all that consumers hear of a video, once that is `count` messages."""
    prefix = running.settings.kafka_topic_prefix
    names = [prefix + topic for topic in TOPICS]

    def of_it(found: list[Heard]) -> list[str]:
        return [each.topic.removeprefix(prefix) for each in found if each.key == str(video_id)]

    found = heard(running.settings.kafka_bootstrap_servers, names, lambda found: len(of_it(found)) >= count, 3)
    return of_it(found) if len(of_it(found)) >= count else []


CAPTURED = """query($runId: ID!) { logsForRun(runId: $runId) { ... on EventConnection {
  events { __typename ... on LogsCapturedEvent { fileKey } } } } }"""
PRINTED = "query($logKey: [String!]!) { capturedLogs(logKey: $logKey) { stdout stderr } }"


def shared_connections(parent: psutil.Process) -> set[tuple[str, str]]:
    """Sockets to servers that the worker has open and a child of it too: (child's pid, what it is)."""
    mine = sockets(parent)
    return {(str(child.pid), mine[each]) for child in parent.children() for each in mine.keys() & sockets(child).keys()}


def sockets(process: psutil.Process) -> dict[str, str]:
    """The process's connected sockets, by the kernel's own number, which a fork keeps."""
    peers = {each.fd: str(each.raddr) for each in process.net_connections("inet") if each.raddr}
    return {os.readlink(f"/proc/{process.pid}/fd/{fd}"): peer for fd, peer in peers.items()}


def attempt_kinds(running: House, video_id: int) -> list[str]:
    with running.systems.database.read() as session:
        chosen = select(AttemptRow.error_kind).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return [kind or "" for kind in session.scalars(chosen)]


def attempt_runs(running: House, video_id: int) -> list[str]:
    with running.systems.database.read() as session:
        chosen = select(AttemptRow.run_id).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return list(session.scalars(chosen))


def backfilled(running: House, videos: list[int]) -> bool:
    """Whether a run of the backfill has begun."""
    with running.systems.database.read() as session:
        chosen = select(AttemptRow).where(AttemptRow.video_id.in_(videos), AttemptRow.reason == "backfill").limit(1)
        return session.scalar(chosen) is not None
