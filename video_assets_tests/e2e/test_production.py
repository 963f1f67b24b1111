"""The production profile alone: what consumers hear, workers that stop, cancelling, and servers that die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from video_assets.database.models import AttemptRow, OutboxOrderRow, OutboxRow
from video_assets.defs.instance import open_instance
from video_assets.defs.operating import cancel_video, unfinished_runs
from video_assets.events.payloads import TOPICS
from video_assets.settings import Settings
from video_assets_tests.e2e.conftest import house_settings
from video_assets_tests.e2e.house import WORKSPACE, House, house, wait_for
from video_assets_tests.e2e.production import Servers, production
from video_assets_tests.e2e.test_graphql import QUERIES, finished_backfill
from video_assets_tests.e2e.test_loop import SLOW_LADDER, attempt_states, encoders, long_clip, made_once, worker_of
from video_assets_tests.e2e.videos import ALL_TOPICS, add_video, row, status, topics, wait_until
from video_assets_tests.events.broker import Heard, heard, heard_in_order

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("production")
    with production(home, Servers.of(request), house_settings, ladder=SLOW_LADDER, stop_grace_seconds=1) as made:
        yield made


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[House]:
    with house(settings) as started:
        yield started


def told(running: House, count: int, seconds: float = 20) -> list[Heard]:
    """What consumers of all topics hear; none before it is `count` messages."""
    settings = running.settings
    names = [settings.kafka_topic_prefix + topic for topic in TOPICS]
    found = heard(settings.kafka_bootstrap_servers, names, lambda found: len(found) >= count, seconds)
    return found if len(found) >= count else []


def outbox(running: House, video_id: int) -> list[OutboxRow]:
    """The video's messages as the table has them, in their order."""
    with running.platform.database.read() as session:
        joined = select(OutboxRow).join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        return list(session.scalars(joined.where(OutboxOrderRow.video_id == video_id).order_by(OutboxOrderRow.seq)))


def test_consumers_hear_exactly_what_happened_in_order_and_soon(running: House, clip: Path) -> None:
    videos = [add_video(running.platform, clip, f"Heard {number}") for number in range(2)]
    for video_id in videos:
        wait_until(running.platform, video_id, "ready", 120)
    # `ready` stands in the tables since the transaction that put the last messages into the outbox.
    messages = wait_for("all to be told", lambda: told(running, 10, 1), 5)
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
    video_id = add_video(running.platform, long_clip(tmp_path))
    encoder = wait_for("the encoder", lambda: encoders(str(running.settings.work_folder)), 60)[0]

    with open_instance(running.settings) as instance:
        assert cancel_video(running.platform, instance, video_id) == 1
        wait_for("the run to end", lambda: not unfinished_runs(instance, video_id), 20)

    wait_for("the video to say so", lambda: attempt_states(running, video_id) == ["canceled"], 20)
    assert not encoder.is_running()
    found = row(running.platform, video_id)
    assert found is not None
    assert (found.status, found.status_message) == ("failed", "canceled")


def test_a_worker_told_to_stop_hands_its_run_back(running: House, tmp_path: Path) -> None:
    video_id = add_video(running.platform, long_clip(tmp_path))
    encoder = wait_for("the encoder", lambda: encoders(str(running.settings.work_folder)), 60)[0]
    first, child = running.worker, worker_of(encoder)
    assert first is not None

    first.send_signal(signal.SIGTERM)
    running.worker = running.start_worker()

    assert first.wait(timeout=20) == 0
    assert not child.is_running()
    wait_until(running.platform, video_id, "ready", 120)
    assert attempt_states(running, video_id) == ["failed", "succeeded"]
    assert topics(running.platform, video_id) == ALL_TOPICS
    made_once(running, video_id)


@pytest.mark.slow
def test_an_upload_does_not_wait_behind_a_backfill_of_twenty(running: House, clip: Path) -> None:
    platform = running.platform
    videos = [add_video(platform, clip, f"Backfilled {number}") for number in range(20)]
    wait_for("all to be ready", lambda: all(status(platform, each) == "ready" for each in videos), 500, pause=1)
    before = [topics(platform, video_id) for video_id in videos]

    answer = running.graphql(
        QUERIES["Backfill"],
        {"assets": [{"path": ["transcripts"]}, {"path": ["summaries"]}], "videoIds": [str(each) for each in videos]},
    )["launchPartitionBackfill"]
    wait_for("the first of its runs", lambda: backfilled(running, videos), 60)
    upload = add_video(platform, clip, "Somebody waits for this one")
    wait_until(platform, upload, "ready", 200)
    assert not finished_backfill(running, answer["backfillId"]), "the upload was held up until the backfill was over"

    state = wait_for("its end", lambda: finished_backfill(running, answer["backfillId"]), 400, pause=1)
    assert state["status"] == "COMPLETED_SUCCESS"
    assert [status(platform, video_id) for video_id in videos] == ["ready"] * 20
    assert [topics(platform, video_id) for video_id in videos] == before


@pytest.mark.slow
def test_two_daemons_do_no_harm(running: House, clip: Path) -> None:
    with (running.settings.home / "second.log").open("ab") as out:
        second = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(WORKSPACE)], stdout=out, stderr=out,
            env=running.settings.environment(), cwd=running.settings.home, start_new_session=True,
        )  # fmt: skip
    try:
        videos = [add_video(running.platform, clip, f"Twice seen {number}") for number in range(6)]
        for video_id in videos:
            wait_until(running.platform, video_id, "ready", 200)
        assert second.poll() is None
        before = {video_id: topics(running.platform, video_id) for video_id in videos}
        assert before == dict.fromkeys(videos, ALL_TOPICS)
        for video_id in videos:
            made_once(running, video_id)
        messages = wait_for("all to be told", lambda: told(running, len(videos) * 5), 60)
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
    prefix = running.settings.kafka_topic_prefix
    for video_id in videos:
        assert heard_in_order(messages, [prefix + topic for topic in ALL_TOPICS], str(video_id))


def backfilled(running: House, videos: list[int]) -> bool:
    """Whether a run of the backfill has begun."""
    with running.platform.database.read() as session:
        chosen = select(AttemptRow).where(AttemptRow.video_id.in_(videos), AttemptRow.reason == "backfill").limit(1)
        return session.scalar(chosen) is not None
