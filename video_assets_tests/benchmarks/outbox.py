"""Draining the outbox into Kafka against a producer that only sends the same messages, and against a bare script
that reads them from the table, sends them and marks them."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Producer

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.outbox import messages, queue, rows
from video_assets.outbox.kafka import KafkaPublisher, headers
from video_assets.outbox.messages import TOPICS, OutboxEvent
from video_assets.outbox.publisher import drain
from video_assets.settings import Settings
from video_assets_tests.benchmarks import servers
from video_assets_tests.e2e.production import databases

PER_VIDEO = 5


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Events a second from a table in Postgres, read, sent in order, acknowledged and marked; and of a bare
    idempotent producer that has them in memory, sends all at once and waits for the last."""
    count, rounds = (2_000, 2) if quick else (10_000, 5)
    there = servers.started()
    folder.mkdir(parents=True)
    took: dict[str, list[float]] = {"producer": [], "script": [], "ours": []}
    with databases(there.postgres, f"bench{uuid4().hex[:12]}") as (url,):
        database = Database(url)
        database.ensure_schema()
        settings = Settings(home=folder, kafka_bootstrap_servers=there.kafka, kafka_topic_prefix=f"b{uuid4().hex[:8]}.")
        publisher = KafkaPublisher(settings)
        publisher.ping()
        producer = _bare_producer(settings)
        for number in range(rounds + 1):  # in turns, so that the machine's moods hit all; the first warms up
            _fill(database, 2 * number * count, count)
            with database.read() as session:
                waiting = next(queue.batches(session, count, size=count), [])
            took["producer"].append(_seconds(partial(_send, producer, settings, waiting)))
            took["script"].append(_seconds(lambda: _script(database, producer, settings)))
            _fill(database, (2 * number + 1) * count, count)
            took["ours"].append(_seconds(lambda: drain(database, publisher)))
            with database.read() as session:
                assert not next(queue.batches(session, 1, size=1), [])
        publisher.close()
        database.dispose()
    producer_s, script_s, ours_s = (statistics.median(took[who][1:]) for who in ("producer", "script", "ours"))
    return {
        f"{count:,} events drained, events a second": round(count / ours_s),
        "a bare producer that has them in memory, events a second": round(count / producer_s),
        "a bare script that reads, sends and marks them, events a second": round(count / script_s),
        "drained over the bare producer (goal 0.8 at least)": round(producer_s / ours_s, 3),
        "drained over the bare script": round(script_s / ours_s, 3),
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _fill(database: Database, first: int, count: int) -> None:
    events: list[OutboxEvent] = []
    for video_id in range(first + 1, first + count // PER_VIDEO + 1):
        now = utc_now()
        key = f"videos/{video_id}/variants/0123456789abcdef-01234567"
        events += [
            messages.uploaded(
                video_id,
                user_id=1,
                file_key=f"videos/{video_id}/source/original.mp4",
                filename="talk.mp4",
                content_type="video/mp4",
                upload_id=None,
                location=None,
                correlation_id=None,
                at=now,
            ),
            messages.transcoded(
                video_id, "r", "f", variants=[(f"{h}p", f"{key}/{h}p.mp4", 10**6) for h in (720, 480, 240)], at=now
            ),
            messages.transcribed(video_id, "r", "f", file_key=f"{key}/transcript.json", snippets=40, at=now),
            messages.summarized(video_id, "r", "f", file_key=f"{key}/summary.json", text="Words. " * 60, at=now),
            messages.ready(video_id, at=now),
        ]
    with database.write() as session:
        for start in range(0, len(events), 1_000):
            rows.add(session, events[start : start + 1_000], service="python-backend")


def _bare_producer(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 100_000,
        }
    )


def _send(producer: Producer, settings: Settings, waiting: list[queue.Outgoing]) -> None:
    assert {event.topic for event in waiting} <= set(TOPICS)
    for event in waiting:
        producer.produce(
            settings.kafka_topic_prefix + event.topic,
            event.body.encode(),
            str(event.video_id),
            headers=headers(event),
        )
        producer.poll(0)
    assert producer.flush(60) == 0


def _script(database: Database, producer: Producer, settings: Settings) -> None:
    """The same job in a dozen lines: no order within a video, nothing said of what is refused."""
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT e.id::text, o.video_id, e.topic, e.payload FROM outbox_events e"
            " JOIN outbox_order o ON o.event_id = e.id WHERE NOT e.published ORDER BY o.seq"
        )
        rows = cursor.fetchall()
        for identity, video_id, topic, payload in rows:
            producer.produce(
                settings.kafka_topic_prefix + topic,
                json.dumps(payload, ensure_ascii=False).encode(),
                str(video_id),
                headers=[("messageId", identity), ("correlationId", payload.get("correlationId") or identity)],
            )
            producer.poll(0)
        assert producer.flush(60) == 0
        cursor.execute(
            "UPDATE outbox_events SET published = true, published_at = now(), attempts = attempts + 1"
            " WHERE id = ANY(%s::uuid[])",
            ([row[0] for row in rows],),
        )
        connection.commit()
    finally:
        connection.close()
