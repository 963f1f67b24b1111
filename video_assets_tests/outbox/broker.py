"""A look at a real broker: what was published, in the order in which it can be read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic


@dataclass(frozen=True)
class Heard:
    """A message as a consumer has it."""

    topic: str
    key: str
    payload: dict[str, Any]
    headers: dict[str, str]
    at: int
    """When the broker's log says it came, milliseconds since 1970."""


def make_topic(servers: str, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    """A topic, made on purpose."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(name, partitions, config=config or {})])[name].result(30)


def heard(servers: str, topics: list[str], until: Callable[[list[Heard]], bool], seconds: float = 20) -> list[Heard]:
    """All messages of these topics from their beginning, per partition in order, read until `until` is content
    or the time is up."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "a-test",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    found: list[Heard] = []
    try:
        known = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(topic, n, 0) for topic in topics if topic in known for n in known[topic].partitions]
        consumer.assign(places)
        deadline = time.monotonic() + seconds
        while not until(found) and time.monotonic() < deadline:
            found += [_heard(each) for each in consumer.consume(500, timeout=0.2) if each.error() is None]
    finally:
        consumer.close()
    return found


def heard_in_order(messages: list[Heard], topics: list[str], key: str) -> bool:
    """Whether each of these topics has a message of this key, and the first ones came in this order. Messages of
    one millisecond are in any order, as nothing tells which came first."""
    first: dict[str, int] = {}
    for each in messages:
        if each.key == key:
            first[each.topic] = min(each.at, first.get(each.topic, each.at))
    moments = [first.get(topic, 0) for topic in topics]
    return set(topics) == set(first) and moments == sorted(moments)


def _heard(message: Message) -> Heard:
    # The library's type is that of what may be sent; what comes is a list of names and bytes.
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return Heard(
        message.topic() or "",
        (message.key() or b"").decode(),
        json.loads(message.value() or b"null"),
        {name: (value or b"").decode() for name, value in headers},
        message.timestamp()[1],
    )
