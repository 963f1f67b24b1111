"""Messages from outside: what is believed of them, that each counts once, and that a bad one stops nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from sqlalchemy import select

from video_assets.artifacts.upload import read_upload_record
from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import OutboxRow, ProcessedMessageRow, UnappliedRow, UploadMetadataRow, VideoRow
from video_assets.errors import TransientError
from video_assets.intake import upload_rows
from video_assets.intake.arrival import arrive
from video_assets.intake.kafka import Received, UploadedReader, parse
from video_assets.outbox.messages import UPLOADED
from video_assets.settings import Settings
from video_assets.storage.local import LocalStorage
from video_assets_tests.e2e.house import wait_for
from video_assets_tests.outbox.broker import make_topic

WHOLE: dict[str, Any] = {
    "id": "m1",
    "messageId": "m1",
    "videoId": 7,
    "userId": 3,
    "fileKey": "uploads/abc/talk.mp4",
    "metadata": {"filename": "Talk_one.mp4", "contentType": "video/mp4", "uploadId": "u1"},
    "correlationId": "c1",
    "ts": "2026-01-02T03:04:05.678Z",
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in WHOLE.items() if key != name}


class House:
    """Tables, storage, and messages that arrive."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'tables.db'}")
        self.database.ensure_schema()
        self.storage = LocalStorage(folder / "storage")
        self.offset = 0

    def arrive(self, body: Any, offset: int | None = None) -> str:
        self.offset += 1
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        received = Received(UPLOADED, 0, self.offset if offset is None else offset, data)
        return self.take(received)

    def take(self, received: Received) -> str:
        return arrive(received, database=self.database, storage=self.storage, settings=Settings(), now=utc_now())

    def videos(self) -> list[VideoRow]:
        with self.database.read() as session:
            return list(session.scalars(select(VideoRow).order_by(VideoRow.id)))

    def aside(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(UnappliedRow.reason).order_by(UnappliedRow.storage_id.desc())))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.storage.put_bytes("uploads/abc/talk.mp4", b"film")
    yield made
    made.database.dispose()


def test_a_whole_message_makes_a_pending_video_and_is_not_told_again(here: House) -> None:
    assert here.arrive(WHOLE) == "taken"
    (video,) = here.videos()
    assert (video.id, video.title, video.user_id, video.key, video.status) == (
        7,
        "Talk one",
        3,
        "uploads/abc/talk.mp4",
        "pending",
    )
    assert video.created_at.isoformat() == "2026-01-02T03:04:05.678000+00:00"
    record = read_upload_record(here.storage, 7)
    assert (record.key, record.size_bytes, record.content_type) == ("uploads/abc/talk.mp4", 4, "video/mp4")
    with here.database.read() as session:
        metadata = session.get_one(UploadMetadataRow, 7)
        assert (metadata.filename, metadata.upload_id, metadata.correlation_id) == ("Talk_one.mp4", "u1", "c1")
        assert [(row.topic, row.published) for row in session.scalars(select(OutboxRow))] == [(UPLOADED, True)]
        assert session.get(ProcessedMessageRow, "m1") is not None


def test_the_same_message_counts_once_and_so_does_the_same_upload(here: House) -> None:
    assert here.arrive(WHOLE) == "taken"
    assert here.arrive(WHOLE) == "known"
    assert here.arrive(WHOLE | {"messageId": "m2"}) == "known"
    assert len(here.videos()) == 1
    assert here.aside() == []


def test_our_own_message_that_comes_back_is_known(here: House) -> None:
    with here.database.write() as session:
        video = upload_rows.add_video(session, title="Ours", now=utc_now())
        upload_rows.set_source(session, video.id, f"videos/{video.id}/source/original.mp4")
        upload_rows.mark_pending(session, video.id, now=utc_now())
        (payload,) = session.scalars(select(OutboxRow.payload))
    assert here.arrive(payload) == "known"
    assert [row.title for row in here.videos()] == ["Ours"]


def test_a_row_that_the_other_service_wrote_keeps_what_it_says(here: House) -> None:
    with here.database.write() as session:
        session.add(
            VideoRow(
                id=7,
                title="As they called it",
                user_name="Ann",
                key="",
                status="uploading",
                created_at=utc_now(),
                updated_at=utc_now(),
            )
        )
    assert here.arrive(WHOLE) == "taken"
    (video,) = here.videos()
    assert (video.title, video.user_name, video.key, video.status) == (
        "As they called it",
        "Ann",
        "uploads/abc/talk.mp4",
        "pending",
    )
    assert read_upload_record(here.storage, 7).title == "As they called it"


def test_ids_given_later_are_above_those_that_came(here: House) -> None:
    here.arrive(WHOLE)
    with here.database.write() as session:
        assert upload_rows.add_video(session, title="Next", now=utc_now()).id == 8


def test_a_deleted_video_does_not_come_back(here: House) -> None:
    from video_assets.library import deletion_rows

    here.arrive(WHOLE)
    with here.database.write() as session:
        deletion_rows.delete_video(session, 7, now=utc_now())
    assert here.arrive(WHOLE | {"messageId": "m2"}) == "known"
    assert here.videos() == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "0 bytes"),
        (b"\xff\xfe no json", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "no JSON object"),
        (b" " * (2**20 + 1), "bytes"),
        (without("videoId"), "videoId"),
        (without("fileKey"), "fileKey"),
        (without("ts"), "ts"),
        ({**without("messageId"), "id": None}, "messageId"),
        (WHOLE | {"videoId": "7"}, "videoId"),
        (WHOLE | {"videoId": True}, "videoId"),
        (WHOLE | {"videoId": -1}, "videoId"),
        (WHOLE | {"videoId": 2**31}, "videoId"),
        (WHOLE | {"videoId": 2_000_000}, "no id of ours"),
        (WHOLE | {"userId": "root"}, "userId"),
        (WHOLE | {"messageId": "m" * 300}, "messageId"),
        (WHOLE | {"messageId": "a\nb"}, "messageId"),
        (WHOLE | {"metadata": ["x"]}, "metadata"),
        (WHOLE | {"ts": "yesterday"}, "ts"),
        (WHOLE | {"ts": "2026-01-02T03:04:05"}, "ts"),
        (WHOLE | {"ts": "9999-12-31T23:59:59-12:00"}, "ts"),
        (WHOLE | {"fileKey": "../../etc/passwd"}, "fileKey"),
        (WHOLE | {"fileKey": "/etc/passwd"}, "fileKey"),
        (WHOLE | {"fileKey": "a//b"}, "fileKey"),
        (WHOLE | {"fileKey": "a\x00b"}, "fileKey"),
        (WHOLE | {"fileKey": "uploads/none.mp4"}, "there is no uploads/none.mp4 in storage"),
        (WHOLE | {"fileKey": "videos/8/source/original.mp4"}, "belongs to something else"),
        (WHOLE | {"fileKey": "videos/7/variants/x/720p.mp4"}, "belongs to something else"),
    ],
)
def test_what_is_not_whole_is_set_aside_with_its_reason(here: House, message: Any, reason: str) -> None:
    assert here.arrive(message, offset=5) == "refused"
    assert here.arrive(message, offset=5) == "refused"
    (said,) = here.aside()
    assert reason in said
    assert "\n" not in said
    assert here.videos() == []
    assert here.arrive(WHOLE) == "taken"


def test_another_file_for_a_video_that_has_one_is_refused(here: House) -> None:
    here.arrive(WHOLE)
    here.storage.put_bytes("uploads/other.mp4", b"another")
    assert here.arrive(WHOLE | {"messageId": "m2", "fileKey": "uploads/other.mp4"}) == "refused"
    assert "has another file already" in here.aside()[0]
    assert here.videos()[0].key == "uploads/abc/talk.mp4"


def test_words_of_strangers_are_one_printable_line() -> None:
    said = parse(json.dumps(WHOLE | {"metadata": {"filename": "a\x1b[31m\nb\ud800.mp4"}}).encode())
    assert said.metadata.filename is not None
    assert said.metadata.filename.isprintable()


def test_a_storage_that_is_away_is_no_fault_of_the_message(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TransientError("the storage does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(here.storage, "stat", away)
        with pytest.raises(TransientError):
            here.arrive(WHOLE)
    assert here.aside() == []
    assert here.arrive(WHOLE) == "taken"


class Topic:
    """A topic of a real broker, and the consumer group of one test."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.settings = Settings(
            home=folder,
            kafka_bootstrap_servers=servers,
            kafka_topic_prefix=f"t{uuid4().hex[:8]}.",
            kafka_group=uuid4().hex,
        )
        make_topic(servers, self.settings.kafka_topic_prefix + UPLOADED)

    def send(self, *bodies: Any) -> None:
        producer = Producer({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            producer.produce(self.settings.kafka_topic_prefix + UPLOADED, data)
        assert producer.flush(20) == 0


@pytest.fixture
def topic(kafka_servers: str, tmp_path: Path) -> Topic:
    return Topic(kafka_servers, tmp_path)


def test_a_bad_message_does_not_block_those_behind_it(here: House, topic: Topic) -> None:
    here.storage.put_bytes("uploads/two.mp4", b"film")
    topic.send(WHOLE, b"garbage", WHOLE, WHOLE | {"messageId": "m2", "videoId": 9, "fileKey": "uploads/two.mp4"})
    inbox, outcomes = UploadedReader(topic.settings), []
    wait_for(
        "all of them",
        lambda: inbox.take(lambda each: outcomes.append(here.take(each)), 10) * 0 or len(outcomes) == 4,
        30,
    )
    inbox.close()
    assert outcomes == ["taken", "refused", "known", "taken"]
    assert [row.id for row in here.videos()] == [7, 9]


def test_an_offset_is_committed_only_after_its_row(here: House, topic: Topic) -> None:
    topic.send(WHOLE)

    def breaks_down(received: Received) -> None:
        here.take(received)
        raise TransientError("the machine went down between the row and the offset")

    first = UploadedReader(topic.settings)

    def broke_down() -> bool:
        try:
            first.take(breaks_down, 10)
        except TransientError:
            return True
        return False

    wait_for("the message", broke_down, 30)
    second, outcomes = UploadedReader(topic.settings), []
    wait_for("it to come again", lambda: second.take(lambda each: outcomes.append(here.take(each)), 10), 30)
    assert outcomes == ["known"]
    second.close()
    third = UploadedReader(topic.settings)
    for _ in range(4):
        assert third.take(lambda each: outcomes.append("again"), 10) == 0
    third.close()
    assert outcomes == ["known"]


def test_a_broker_that_is_away_is_said_in_a_line(tmp_path: Path) -> None:
    away = UploadedReader(Settings(home=tmp_path, kafka_bootstrap_servers="127.0.0.1:1"))

    def said() -> str:
        try:
            away.take(lambda each: None, 10)
        except TransientError as error:
            return str(error)
        return ""

    assert "Kafka at 127.0.0.1:1 did not answer" in wait_for("word of it", said, 20)
