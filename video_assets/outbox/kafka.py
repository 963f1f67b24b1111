"""Publishes the outbox to Kafka: an event is on all replicas before the next one of its video is sent.

A video has one message in flight at a time, and all videos have theirs in parallel. So the order holds across topics,
which no broker promises. The producer is idempotent: its own retries neither duplicate nor reorder messages.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.outbox.messages import TOPICS
from video_assets.outbox.queue import Outgoing
from video_assets.outbox.sending import Ours, Safe, Sending
from video_assets.settings import Settings

log = logging.getLogger(__name__)
ANSWER_SECONDS = 5.0
"""Time-out of the request for the list of topics."""
DELIVERY_SECONDS = 10.0
"""A message that is not acknowledged by then counts as not sent; a later tick sends it again."""
SENT_AT_ONCE = 100
"""Events passed to the client between two polls for acknowledgements."""
REPORTED_AT_ONCE = 1_000
"""Acknowledged events are reported in batches of this size; the rest at the end."""
QUEUE_MESSAGES = 10_000
QUEUE_KBYTES = 64 * 1024
MAX_MESSAGE_BYTES = 10 * 2**20
"""The client's limit. The topic's own limit is usually lower, and the broker enforces it."""

REFUSALS = frozenset(
    (
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._INVALID_ARG,
    )
)
"""Errors that are caused by the event itself. Every other error is trouble with the broker or the connection."""


RESERVED = frozenset(
    {
        "bootstrap.servers",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "transactional.id",
        "group.id",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "allow.auto.create.topics",
    }
)
"""Properties that the user may not set: order and safety depend on them, or they have a setting of their own."""


def client_options(settings: Settings, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a Kafka client: those of every client, then `ours` of this one, then those that the user set,
    which win. PermanentError where the user set one that is reserved."""
    theirs = settings.kafka_properties
    for name in sorted(RESERVED & theirs.keys()):
        raise PermanentError(
            f"VIDEO_ASSETS_KAFKA_OPTIONS: {name} cannot be set there, as the order and safety of events rest on it or "
            "it has a setting of its own; leave it out"
        )
    return {
        "client.id": "video-assets",
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.max.ms": 1_000,
        "reconnect.backoff.ms": 250,
        "logger": log,
        # We report errors ourselves, once and in one line; the client would log every attempt.
        "log_level": 2,
        **ours,
        **theirs,
        "bootstrap.servers": settings.kafka_bootstrap_servers,
    }


class KafkaPublisher:
    """Publishes events to their topics. Connects on first use, and again after trouble. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._settings = settings
        self._prefix = settings.kafka_topic_prefix
        self._producer: Producer | None = None
        self._topics: set[str] = set()
        self._last_error = ""

    def publish(self, batches: Iterable[Sequence[Outgoing]], safe: Safe, ours: Ours) -> Sending:
        """Sends the events, each video's in this order, and waits until each is acknowledged or refused. A refused
        event holds back the later ones of its video. PermanentError where a topic of ours is missing and we have no
        right to create it."""
        sending = Sending()
        try:
            producer = self._connected()
        except TransientError as error:
            sending.trouble = str(error)
            return sending
        passing = self._pass(producer, sending, safe, ours)
        try:
            for events in batches:
                if any(self._prefix + topic not in self._topics for topic in {event.topic for event in events}):
                    self._topics |= self._list(producer)  # it may have been created since
                passing.add(events)
            suspects = passing.run()
            if suspects and not sending.trouble:
                # A broker refuses a whole batch for one bad message in it, so each is sent again by itself.
                self._one_by_one(producer, suspects, sending, safe, ours)
            if sending.trouble:
                sending.trouble = self._down(sending.trouble, "did not take the events")
        except TransientError as error:
            sending.trouble = str(error)
        except BaseException:
            self._dispose()
            raise
        if sending.trouble:
            self._dispose()  # what the client still holds is dropped here and sent again by a later tick
        passing.report()
        return sending

    def ping(self) -> str:
        """The servers and our topics there, in one line. TransientError where no broker answers."""
        self._topics |= self._list(self._connected())
        ours = [topic for topic in self._our_topics() if topic in self._topics]
        return f"{self._servers}, topics {', '.join(ours)}"

    def close(self) -> None:
        """Closes the connections."""
        self._dispose()

    def _one_by_one(
        self, producer: Producer, suspects: Sequence[Sequence[Outgoing]], sending: Sending, safe: Safe, ours: Ours
    ) -> None:
        passing = self._pass(producer, sending, safe, ours, final=True)
        for rest in suspects:
            for event in rest:
                passing.add([event])
                passing.run()
                if sending.trouble or event in sending.refused:
                    break
            if sending.trouble:
                break
        passing.report()

    def _pass(self, producer: Producer, sending: Sending, safe: Safe, ours: Ours, *, final: bool = False) -> _Pass:
        return _Pass(producer, self._prefix, self._topics, sending, safe, ours, final=final)

    def _connected(self) -> Producer:
        if self._producer is None:
            producer = self._opened()
            self._topics = self._known_topics(producer)
            self._producer = producer
        return self._producer

    def _opened(self) -> Producer:
        try:
            return Producer(
                client_options(
                    self._settings,
                    {
                        "enable.idempotence": True,
                        "acks": "all",
                        "linger.ms": 2,
                        # Every client can read gzip; LZ4 stops a stock KafkaJS consumer.
                        "compression.type": "gzip",
                        "message.max.bytes": MAX_MESSAGE_BYTES,
                        "delivery.timeout.ms": int(DELIVERY_SECONDS * 1000),
                        "queue.buffering.max.messages": QUEUE_MESSAGES,
                        "queue.buffering.max.kbytes": QUEUE_KBYTES,
                        # Time for a new topic to become known to all brokers. Short, so that a wrong topic name does
                        # not hold up the other events.
                        "topic.metadata.propagation.max.ms": 3_000,
                        "error_cb": self._note_error,
                    },
                )
            )
        except KafkaException as error:  # a property that does not exist, or a value that it cannot have
            what = one_line(error.args[0].str(), 200)
            raise PermanentError(f"VIDEO_ASSETS_KAFKA_OPTIONS: {what}; put it right") from None

    def _known_topics(self, producer: Producer) -> set[str]:
        known = self._list(producer)
        missing = [topic for topic in self._our_topics() if topic not in known]
        if missing:
            self._create(missing)
            known |= set(missing)
        return known

    def _our_topics(self) -> list[str]:
        return [self._prefix + topic for topic in TOPICS]

    def _list(self, producer: Producer) -> set[str]:
        try:
            return set(producer.list_topics(timeout=ANSWER_SECONDS).topics)
        except KafkaException as error:
            raise TransientError(self._down(_words(error.args[0]), "did not answer")) from None

    def _create(self, missing: Sequence[str]) -> None:
        """Creates topics, with the broker's defaults for partitions and replicas."""
        admin = AdminClient(client_options(self._settings, {}))  # kept in a variable: its answers end with it
        answers = admin.create_topics([NewTopic(topic) for topic in missing], operation_timeout=10)
        for topic, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    continue
                if (
                    error.args[0].retriable() or error.args[0].code() < 0
                ):  # negative: the client's own error, not a broker's
                    raise TransientError(self._down(_words(error.args[0]), "made no topic")) from None
                what = f"Kafka at {self._servers} has no topic {topic} and does not let us make it"
                raise PermanentError(f"{what} ({_words(error.args[0])}); have it made, or give the right") from None

    def _dispose(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(1)

    def _note_error(self, error: KafkaError) -> None:
        self._last_error = _words(error)

    def _down(self, what: str, does: str) -> str:
        said = f"; {self._last_error}" if self._last_error and self._last_error != what else ""
        return one_line(f"Kafka at {self._servers} {does}: {what}{said}; events wait in the outbox", 300)


class _Pass:
    """Sends some events, with at most one of each video in flight."""

    def __init__(
        self,
        producer: Producer,
        prefix: str,
        topics: set[str],
        sending: Sending,
        safe: Safe,
        ours: Ours,
        *,
        final: bool,
    ) -> None:
        self._producer = producer
        self._prefix = prefix
        self._topics = topics
        self._sending = sending
        self._report = safe
        self._ours = ours
        self._final = final
        self._left: dict[int, deque[Outgoing]] = {}
        """Video id → its events that are not acknowledged. The first one is due, in flight, or held back."""
        self._due: deque[int] = deque()
        self._in_flight = 0
        self._safe: list[str] = []
        self._suspects: list[deque[Outgoing]] = []

    def add(self, events: Iterable[Outgoing]) -> None:
        """Adds events, and sends what can be sent without waiting."""
        for event in events:
            left = self._left.get(event.video_id)
            if left:
                left.append(event)
            else:
                self._left[event.video_id] = deque((event,))
                self._due.append(event.video_id)
        self._go()

    def run(self) -> list[deque[Outgoing]]:
        """Sends until nothing is left that may be sent. Returns the suspects: events that were refused as part of a
        batch, each with the later ones of its video."""
        # The client gives up on a message by itself; the deadline is for the case that it does not.
        deadline = time.monotonic() + 2 * DELIVERY_SECONDS
        while (self._due or self._in_flight) and not self._sending.trouble:
            self._go()
            if self._producer.poll(0.1):
                deadline = time.monotonic() + 2 * DELIVERY_SECONDS
            elif time.monotonic() > deadline:
                self._sending.trouble = "no word of what was sent"
        return self._suspects

    def report(self) -> None:
        """Reports the events that were acknowledged since the last report."""
        if self._safe:
            safe, self._safe = self._safe, []
            self._report(safe)

    def _go(self) -> None:
        """Passes due events to the client, until its queue is full."""
        while self._due and not self._sending.trouble:
            self._ours()
            # Not polled after each event: every poll lets other threads run first.
            for _ in range(min(len(self._due), SENT_AT_ONCE)):
                if not self._send(self._due[0]):
                    return
                self._due.popleft()
            self._producer.poll(0)
            if len(self._safe) >= REPORTED_AT_ONCE:
                self.report()

    def _send(self, video_id: int) -> bool:
        """Passes the video's next event to the client; False where the client's queue is full."""
        event = self._left[video_id][0]
        topic = self._prefix + event.topic
        if topic not in self._topics:
            self._refused(event, f"Kafka has no topic {topic}", certain=True)
            return True
        try:
            self._producer.produce(
                topic,
                value=event.body.encode(),
                key=str(event.video_id),
                headers=headers(event),
                on_delivery=partial(self._delivered, event),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._failed(event, error.args[0], certain=True)
            return True
        self._in_flight += 1
        return True

    def _delivered(self, event: Outgoing, error: KafkaError | None, _: object) -> None:
        self._in_flight -= 1
        if error is not None:
            self._failed(event, error, certain=self._final)
            return
        self._safe.append(event.id)
        left = self._left[event.video_id]
        left.popleft()
        if left:
            self._due.append(event.video_id)

    def _failed(self, event: Outgoing, error: KafkaError, *, certain: bool) -> None:
        if error.code() in REFUSALS:
            self._refused(event, _words(error), certain=certain)
        elif not self._sending.trouble:
            self._sending.trouble = _words(error)

    def _refused(self, event: Outgoing, reason: str, *, certain: bool) -> None:
        if certain:
            self._sending.refused[event] = reason
        else:
            self._suspects.append(self._left[event.video_id])


def headers(event: Outgoing) -> list[tuple[str, str | bytes | None]]:
    """The Kafka headers of a message. The correlation id is the payload's; the message's own id where it has none."""
    correlation = event.id
    if '"correlationId"' in event.body:
        payload = event.payload
        named = payload.get("correlationId") if isinstance(payload, dict) else None
        correlation = str(named or event.id)
    return [("messageId", event.id), ("correlationId", correlation)]


def _words(error: KafkaError) -> str:
    return one_line(error.str(), 200)
