"""The outbox through a real broker: exact messages, order per video, refusals, and a broker that is away."""

from __future__ import annotations

import itertools
import json
import random
import socket
import string
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr
from sqlalchemy import select

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import OutboxRow
from video_assets.errors import PermanentError, TransientError
from video_assets.outbox import messages, queue, rows
from video_assets.outbox.kafka import KafkaPublisher, client_options
from video_assets.outbox.messages import TOPICS, OutboxEvent
from video_assets.outbox.publisher import drain
from video_assets.settings import Settings
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.outbox.broker import Heard, heard, make_topic

AT = utc_now()
SMALL = {"max.message.bytes": "2000"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'tables.db'}")
    opened.ensure_schema()
    yield opened
    opened.dispose()


@pytest.fixture
def kafka(kafka_servers: str, tmp_path: Path) -> Settings:
    """Settings with topics of the test's own."""
    return Settings(
        home=tmp_path,
        kafka_bootstrap_servers=kafka_servers,
        kafka_topic_prefix=f"t{uuid4().hex[:8]}.",
        outbox_attempts=3,
    )


@pytest.fixture
def publisher(kafka: Settings) -> Iterator[KafkaPublisher]:
    opened = KafkaPublisher(kafka)
    yield opened
    opened.close()


def story(video_id: int) -> list[OutboxEvent]:
    """All that is told of a video that goes well."""
    return [
        messages.uploaded(
            video_id,
            user_id=3,
            file_key="k",
            filename="Füchse.mp4",
            content_type="video/mp4",
            upload_id=None,
            location=None,
            correlation_id=f"c{video_id}",
            at=AT,
        ),
        messages.transcoded(video_id, "r", "f", variants=[("720p", "k", 5)], at=AT),
        messages.transcribed(video_id, "r", "f", file_key="k", snippets=4, at=AT),
        messages.summarized(video_id, "r", "f", file_key="k", text="Two sentences. Or so.", at=AT),
        messages.ready(video_id, at=AT),
    ]


def tell(database: Database, *stories: list[OutboxEvent]) -> None:
    for told in stories:
        with database.write() as session:
            rows.add(session, told, service="python-backend")


def read(settings: Settings, count: int, seconds: float = 20) -> list[Heard]:
    topics = [settings.kafka_topic_prefix + topic for topic in TOPICS]
    return heard(settings.kafka_bootstrap_servers, topics, lambda found: len(found) >= count, seconds)


def test_consumers_get_the_payloads_as_they_are_with_key_and_headers(
    database: Database, kafka: Settings, publisher: KafkaPublisher
) -> None:
    tell(database, story(7))
    assert drain(database, publisher) == 5

    messages = {each.topic.removeprefix(kafka.kafka_topic_prefix): each for each in read(kafka, 5)}
    for event in story(7):
        got = messages[event.topic]
        assert got.payload == json.loads(json.dumps(event.payload))
        assert got.key == "7"
        assert got.headers == {
            "messageId": str(event.id),
            "correlationId": "c7" if event.topic == "video.uploaded" else str(event.id),
        }
    assert all(row.published and row.published_at and row.attempts == 1 for row in rows_of(database, 7).values())
    assert drain(database, publisher) == 0


def test_many_videos_go_at_once_and_each_in_its_own_order(
    database: Database, kafka: Settings, publisher: KafkaPublisher
) -> None:
    runs = [f"run{number:02}" for number in range(20)]
    with database.write() as session:
        for run in runs:
            made = [messages.transcoded(v, run, "f", variants=[(run, "k", 1)], at=AT) for v in range(1, 51)]
            rows.add(session, made, service="python-backend")
    assert drain(database, publisher) == 1000

    got = read(kafka, 1000)
    assert len(got) == 1000
    for video_id in range(1, 51):
        told = [each.payload["variants"][0]["resolution"] for each in got if each.key == str(video_id)]
        assert told == runs


def test_order_and_parking_hold_from_one_batch_to_the_next(
    database: Database, kafka: Settings, publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AT_ONCE", 40), ("BATCH", 7)):
        monkeypatch.setattr(f"video_assets.outbox.publisher.{name}", value)
    make_topic(kafka.kafka_bootstrap_servers, f"{kafka.kafka_topic_prefix}video.summarized", config=SMALL)
    big = messages.summarized(1, "run03", "f", file_key="k", text=noise(20_000), at=AT)
    runs = [f"run{number:02}" for number in range(20)]
    with database.write() as session:
        for run in runs:
            made = [messages.transcoded(v, run, "f", variants=[(run, "k", 1)], at=AT) for v in range(1, 6)]
            rows.add(session, [*made, *([big] if run == "run03" else [])], service="python-backend")

    assert drain(database, publisher, max_attempts=1) == 4 * 20 + 4

    got = read(kafka, 84)
    for video_id in range(1, 6):
        told = [each.payload["variants"][0]["resolution"] for each in got if each.key == str(video_id)]
        assert told == (runs[:4] if video_id == 1 else runs)
    (found,) = parked(database)
    assert (found.id, found.waiting) == (big.id, 16)


def test_what_cannot_be_marked_is_told_and_published_again(
    database: Database, kafka: Settings, publisher: KafkaPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(database, story(1))

    def fails(*_: object, **__: object) -> None:
        raise TransientError("the database did not answer")

    with monkeypatch.context() as broken:
        broken.setattr(queue, "mark_published", fails)
        with pytest.raises(TransientError, match="the database did not answer"):
            drain(database, publisher)
    assert drain(database, publisher) == 5
    assert [each.topic for each in read(kafka, 10)].count(f"{kafka.kafka_topic_prefix}video.ready") == 2


def test_what_another_service_put_into_the_outbox_is_published_too(
    database: Database, kafka: Settings, publisher: KafkaPublisher
) -> None:
    identity, nameless = uuid4(), uuid4()
    with database.write() as session:
        for one, payload in ((identity, {"videoId": 5, "from": "elsewhere"}), (nameless, {"video": "none"})):
            session.add(
                OutboxRow(id=one, topic="video.uploaded", payload=payload, service="nest-backend", created_at=AT)
            )
    tell(database, story(8))
    assert drain(database, publisher) == 6

    got = read(kafka, 6)
    assert [each.payload for each in got if each.key == "5"] == [{"videoId": 5, "from": "elsewhere"}]
    with database.read() as session:
        (parked,) = queue.parked_messages(session)
    assert (parked.id, parked.reason, parked.waiting) == (nameless, "its payload names no videoId", 0)


def test_a_refused_event_is_parked_and_holds_its_own_video_alone(
    database: Database, kafka: Settings, publisher: KafkaPublisher
) -> None:
    prefix = kafka.kafka_topic_prefix
    make_topic(kafka.kafka_bootstrap_servers, f"{prefix}video.summarized", config=SMALL)
    big = messages.summarized(1, "r", "f", file_key="k", text=noise(20_000), at=AT)
    tell(
        database, *([big if event.topic == big.topic and v == 1 else event for event in story(v)] for v in range(1, 31))
    )

    # Batch-mates of the large one are refused with it, and must not be blamed for it.
    assert drain(database, publisher, max_attempts=3) == 3 + 29 * 5
    assert rows_of(database, 1)["video.summarized"].attempts == 1
    assert parked(database) == []
    assert drain(database, publisher, max_attempts=3) == drain(database, publisher, max_attempts=3) == 0
    (found,) = parked(database)
    assert (found.video_id, found.topic, found.waiting) == (1, "video.summarized", 1)
    assert "large" in found.reason.lower()
    assert drain(database, publisher, max_attempts=3) == 0
    told = {each.topic.removeprefix(prefix) for each in read(kafka, 148) if each.key == "1"}
    assert told == {"video.uploaded", "video.transcoded", "video.transcribed"}

    with database.write() as session:
        assert queue.release(session, [1]) == 1
    drain(database, publisher, max_attempts=3)
    assert rows_of(database, 1)["video.summarized"].attempts == 1, "released, it has all its attempts again"
    with database.write() as session:
        queue.park(session, big.id, "too large")
        assert queue.give_up(session, [1]) == 1
    assert drain(database, publisher, max_attempts=3) == 1
    ready = [each for each in read(kafka, 149) if each.key == "1" and each.topic.endswith("ready")]
    assert len(ready) == 1


def test_an_event_of_a_topic_that_is_not_there_is_refused_until_it_is(
    database: Database, kafka: Settings, publisher: KafkaPublisher
) -> None:
    odd = OutboxEvent(uuid4(), "video.uploaded", 9, {"videoId": 9}, AT)
    tell(database, [odd])
    with database.write() as session:
        session.get_one(OutboxRow, odd.id).topic = "video.misspelt"
    assert drain(database, publisher, max_attempts=1) == 0
    (found,) = parked(database)
    assert found.reason == f"Kafka has no topic {kafka.kafka_topic_prefix}video.misspelt"

    make_topic(kafka.kafka_bootstrap_servers, f"{kafka.kafka_topic_prefix}video.misspelt")
    with database.write() as session:
        queue.release(session, [9])
    # A topic made a moment ago is not known to every part of the broker at once.
    wait_for("the event to be taken", lambda: drain(database, publisher, max_attempts=1000) == 1, 20)


def test_a_broker_that_is_away_costs_nothing_but_time(database: Database, kafka: Settings, tmp_path: Path) -> None:
    tell(database, story(1))
    with socket.socket() as holder:  # a port at which nobody answers
        holder.bind(("127.0.0.1", 0))
        away = KafkaPublisher(Settings(home=tmp_path, kafka_bootstrap_servers=f"127.0.0.1:{holder.getsockname()[1]}"))
        begun = time.monotonic()
        with pytest.raises(TransientError, match="Kafka at 127") as caught:
            drain(database, away, max_attempts=1)
    assert time.monotonic() - begun < 8
    assert "\n" not in str(caught.value)
    assert [(row.published, row.attempts) for row in rows_of(database, 1).values()] == [(False, 0)] * 5
    assert parked(database) == []

    again = KafkaPublisher(kafka)
    assert drain(database, again) == 5
    again.close()


def test_two_publishers_at_once_do_no_harm(database: Database, kafka: Settings) -> None:
    with database.write() as session:
        for number in range(400):
            video, run = number % 40 + 1, f"run{number // 40}"
            made = messages.transcoded(video, run, "f", variants=[(run, "k", 1)], at=AT)
            rows.add(session, [made], service="python-backend")
    publishers = [KafkaPublisher(kafka) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        drained = list(pool.map(lambda one: drain(Database(str(database.url)), one), publishers))
    for one in publishers:
        one.close()

    assert sum(drained) == 400
    got = read(kafka, 400, seconds=5)
    assert len(got) == 400
    for video in range(1, 41):
        told = [each.payload["variants"][0]["resolution"] for each in got if each.key == str(video)]
        assert told == [f"run{number}" for number in range(10)]


def test_nothing_is_sent_that_is_no_longer_ours(kafka: Settings, publisher: KafkaPublisher) -> None:
    """The lock that makes us the only publisher is lost after three handfuls of one event each."""
    events = [
        queue.Outgoing(seq, str(uuid4()), 7, "video.transcoded", json.dumps({"videoId": 7, "seq": seq}), 0)
        for seq in range(1, 51)
    ]
    asked, safe = itertools.count(), list[str]()

    def ours() -> None:
        if next(asked) >= 3:
            raise TransientError("the lock is gone")

    sending = publisher.publish([events[:5], events[5:]], safe.extend, ours)

    assert sending.trouble == "the lock is gone"
    told = [each.payload["seq"] for each in read(kafka, 50, seconds=3)]
    assert told == [1, 2, 3]
    assert set(safe) <= {event.id for event in events[:3]}
    again = publisher.publish([events[3:]], safe.extend, lambda: None)
    assert not again.trouble
    assert [each.payload["seq"] for each in read(kafka, 50)] == list(range(1, 51))


@pytest.mark.parametrize("options", ["security.protocol=SSL", "[]", '{"a": 1}'])
def test_options_that_are_none_are_refused_at_start(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_KAFKA_OPTIONS", options)
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_KAFKA_OPTIONS"):
        Settings.load()


def test_a_wrong_option_is_said_in_a_line(tmp_path: Path, database: Database) -> None:
    tell(database, story(1))
    wrong = Settings(
        home=tmp_path, kafka_bootstrap_servers="127.0.0.1:1", kafka_options=SecretStr('{"no.such.thing": "1"}')
    )
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_KAFKA_OPTIONS: No such"):
        drain(database, KafkaPublisher(wrong))


@pytest.mark.parametrize(
    "name", ["acks", "enable.idempotence", "max.in.flight", "bootstrap.servers", "group.id", "enable.auto.commit"]
)
def test_options_that_order_and_safety_rest_on_are_refused_in_a_line(tmp_path: Path, name: str) -> None:
    wrong = Settings(
        home=tmp_path, kafka_bootstrap_servers="127.0.0.1:1", kafka_options=SecretStr(json.dumps({name: "1"}))
    )
    with pytest.raises(PermanentError, match=f"VIDEO_ASSETS_KAFKA_OPTIONS: {name} cannot be set"):
        client_options(wrong, {})


def test_the_users_options_win_over_ours(tmp_path: Path) -> None:
    chosen = Settings(
        home=tmp_path,
        kafka_bootstrap_servers="127.0.0.1:1",
        kafka_options=SecretStr('{"compression.type": "none", "client.id": "theirs", "linger.ms": "50"}'),
    )
    made = client_options(chosen, {"compression.type": "gzip", "linger.ms": 2, "acks": "all"})
    assert (made["compression.type"], made["client.id"], made["linger.ms"]) == ("none", "theirs", "50")
    assert (made["acks"], made["bootstrap.servers"]) == ("all", "127.0.0.1:1")


@pytest.mark.parametrize(("options", "codec"), [("", "gzip"), ('{"compression.type": "none"}', "none")])
def test_what_is_sent_a_stock_kafkajs_consumer_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, codec: str
) -> None:
    """It knows gzip alone, and LZ4 ended it."""
    asked: list[dict[str, object]] = []

    def no_producer(properties: dict[str, object]) -> None:
        asked.append(properties)
        raise KafkaException(KafkaError(KafkaError._FAIL, "none is needed"))

    monkeypatch.setattr("video_assets.outbox.kafka.Producer", no_producer)
    chosen = Settings(home=tmp_path, kafka_bootstrap_servers="127.0.0.1:1", kafka_options=SecretStr(options))
    with pytest.raises(PermanentError):
        KafkaPublisher(chosen).ping()
    assert asked[0]["compression.type"] == codec


def noise(characters: int) -> str:
    """Text that does not compress."""
    return "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=characters))


def rows_of(database: Database, video_id: int) -> dict[str, OutboxRow]:
    with database.read() as session:
        found = session.scalars(select(OutboxRow).order_by(OutboxRow.created_at))
        return {row.topic: row for row in found if row.payload.get("videoId") == video_id}


def parked(database: Database) -> list[queue.Parked]:
    with database.read() as session:
        return queue.parked_messages(session)
