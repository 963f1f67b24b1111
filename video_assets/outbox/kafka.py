"""The outbox to Kafka: each event safe on all replicas before the next of its video is sent.

Order holds across topics too, which no broker promises: a video has one message in flight at a time, and all
videos have theirs at once. Idempotence keeps the client's own retries from doubling or reordering what it sends.
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
"""How long a broker may take to say what topics there are."""
DELIVERY_SECONDS = 10.0
"""A message not acknowledged by then counts as not sent; it is sent again with a later tick."""
SENT_AT_ONCE = 100
"""Events handed to the client between two questions for what has become of those before."""
TOLD_AT_ONCE = 1_000
"""Events that are safe are told of when there are this many, or no more."""
QUEUE_MESSAGES = 10_000
QUEUE_KBYTES = 64 * 1024
MAX_MESSAGE_BYTES = 10 * 2**20
"""What we are willing to send. What the topic is willing to take is mostly less, and for the broker to say."""

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
"""Answers to the event itself. Every other error is the world's, and the event is not to blame for it."""


OURS = frozenset(
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
"""Properties that order and safety rest on, or that have a setting of their own."""


def client_options(settings: Settings, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a client of this broker: what every client has in common, `ours` of this one, and above them
    what the user sets. Raises PermanentError where he sets one that is not his to set."""
    theirs = settings.kafka_properties
    for name in sorted(OURS & theirs.keys()):
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
        # What goes wrong we say ourselves, once and in a line; the client would, at every attempt.
        "log_level": 2,
        **ours,
        **theirs,
        "bootstrap.servers": settings.kafka_bootstrap_servers,
    }


class KafkaPublisher:
    """Publishes to the topics of the events. Connects on first use, and anew after trouble; for one thread."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._settings = settings
        self._prefix = settings.kafka_topic_prefix
        self._producer: Producer | None = None
        self._topics: set[str] = set()
        self._said = ""

    def publish(self, batches: Iterable[Sequence[Outgoing]], safe: Safe, ours: Ours) -> Sending:
        """Sends all of them, each video's in this order, and waits until each is safe or refused. An event
        that is refused holds what follows it of its video. Raises PermanentError where a topic of ours is
        missing and may not be made."""
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
                    self._topics |= self._list(producer)  # it may have been made since
                passing.add(events)
            suspects = passing.run()
            if suspects and not sending.trouble:
                # A broker refuses a whole batch for one message in it, so each is asked about by itself.
                self._one_by_one(producer, suspects, sending, safe, ours)
            if sending.trouble:
                sending.trouble = self._down(sending.trouble, "did not take the events")
        except TransientError as error:
            sending.trouble = str(error)
        except BaseException:
            self._dispose()
            raise
        if sending.trouble:
            self._dispose()  # with what it still holds, which is sent again in its turn
        passing.tell()
        return sending

    def ping(self) -> str:
        """What answers there, in a line; raises TransientError where nothing does."""
        self._topics |= self._list(self._connected())
        ours = [topic for topic in self._ours() if topic in self._topics]
        return f"{self._servers}, topics {', '.join(ours)}"

    def close(self) -> None:
        """Lets go of the connections."""
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
        passing.tell()

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
                        # Every client reads it; LZ4 ends a stock KafkaJS consumer.
                        "compression.type": "gzip",
                        "message.max.bytes": MAX_MESSAGE_BYTES,
                        "delivery.timeout.ms": int(DELIVERY_SECONDS * 1000),
                        "queue.buffering.max.messages": QUEUE_MESSAGES,
                        "queue.buffering.max.kbytes": QUEUE_KBYTES,
                        # A topic made a moment ago is not known everywhere yet; a wrong one must not hold up others.
                        "topic.metadata.propagation.max.ms": 3_000,
                        "error_cb": self._hear,
                    },
                )
            )
        except KafkaException as error:  # a property that there is not, or a value that it cannot have
            what = one_line(error.args[0].str(), 200)
            raise PermanentError(f"VIDEO_ASSETS_KAFKA_OPTIONS: {what}; put it right") from None

    def _known_topics(self, producer: Producer) -> set[str]:
        known = self._list(producer)
        missing = [topic for topic in self._ours() if topic not in known]
        if missing:
            self._make(missing)
            known |= set(missing)
        return known

    def _ours(self) -> list[str]:
        return [self._prefix + topic for topic in TOPICS]

    def _list(self, producer: Producer) -> set[str]:
        try:
            return set(producer.list_topics(timeout=ANSWER_SECONDS).topics)
        except KafkaException as error:
            raise TransientError(self._down(_words(error.args[0]), "did not answer")) from None

    def _make(self, missing: Sequence[str]) -> None:
        """Makes topics with the broker's own defaults for partitions and replicas."""
        admin = AdminClient(client_options(self._settings, {}))  # held on to: without it there are no answers
        answers = admin.create_topics([NewTopic(topic) for topic in missing], operation_timeout=10)
        for topic, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    continue
                if error.args[0].retriable() or error.args[0].code() < 0:  # below 0 it is no broker's answer
                    raise TransientError(self._down(_words(error.args[0]), "made no topic")) from None
                what = f"Kafka at {self._servers} has no topic {topic} and does not let us make it"
                raise PermanentError(f"{what} ({_words(error.args[0])}); have it made, or give the right") from None

    def _dispose(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(1)

    def _hear(self, error: KafkaError) -> None:
        self._said = _words(error)

    def _down(self, what: str, does: str) -> str:
        said = f"; {self._said}" if self._said and self._said != what else ""
        return one_line(f"Kafka at {self._servers} {does}: {what}{said}; events wait in the outbox", 300)


class _Pass:
    """One sending of some events, at most one of each video under way."""

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
        self._tell = safe
        self._ours = ours
        self._final = final
        self._left: dict[int, deque[Outgoing]] = {}
        """What is to be sent of each video; the first of them is due, under way, or held."""
        self._due: deque[int] = deque()
        self._under_way = 0
        self._safe: list[str] = []
        self._suspects: list[deque[Outgoing]] = []

    def add(self, events: Iterable[Outgoing]) -> None:
        """Sends more, as far as that needs no waiting."""
        for event in events:
            left = self._left.get(event.video_id)
            if left:
                left.append(event)
            else:
                self._left[event.video_id] = deque((event,))
                self._due.append(event.video_id)
        self._go()

    def run(self) -> list[deque[Outgoing]]:
        """Sends until nothing is left that may be sent; returns what was refused in company, each with what
        waits behind it."""
        # The client gives up on a message by itself; this is for the case that it does not.
        deadline = time.monotonic() + 2 * DELIVERY_SECONDS
        while (self._due or self._under_way) and not self._sending.trouble:
            self._go()
            if self._producer.poll(0.1):
                deadline = time.monotonic() + 2 * DELIVERY_SECONDS
            elif time.monotonic() > deadline:
                self._sending.trouble = "no word of what was sent"
        return self._suspects

    def tell(self) -> None:
        """Says which are safe and were not told of yet."""
        if self._safe:
            told, self._safe = self._safe, []
            self._tell(told)

    def _go(self) -> None:
        """Hands over what is due, as much as the client takes."""
        while self._due and not self._sending.trouble:
            self._ours()
            # Not asked after each: every question lets other threads go first.
            for _ in range(min(len(self._due), SENT_AT_ONCE)):
                if not self._send(self._due[0]):
                    return
                self._due.popleft()
            self._producer.poll(0)
            if len(self._safe) >= TOLD_AT_ONCE:
                self.tell()

    def _send(self, video_id: int) -> bool:
        """Hands the video's next event to the client; False where its queue is full."""
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
                on_delivery=partial(self._heard, event),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._failed(event, error.args[0], certain=True)
            return True
        self._under_way += 1
        return True

    def _heard(self, event: Outgoing, error: KafkaError | None, _: object) -> None:
        self._under_way -= 1
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
    """The headers of a message. What belongs to no greater undertaking is one of its own."""
    correlation = event.id
    if '"correlationId"' in event.body:
        payload = event.payload
        named = payload.get("correlationId") if isinstance(payload, dict) else None
        correlation = str(named or event.id)
    return [("messageId", event.id), ("correlationId", correlation)]


def _words(error: KafkaError) -> str:
    return one_line(error.str(), 200)
