"""Reads `video.uploaded` messages of other services, and checks them.

Messages are not trusted: one is taken only if every field is valid. Its offset is committed after its rows, so a
message may come twice; the second time it is recognised by its id.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.outbox.kafka import client_options
from video_assets.outbox.messages import UPLOADED
from video_assets.settings import Settings

log = logging.getLogger(__name__)
MAX_BYTES = 1 << 20
MAX_ID = 2**31 - 1
_WAIT_SECONDS = 0.5


def _tidy(value: str) -> str:
    return one_line(value, 4096)


Text = Annotated[str, AfterValidator(_tidy)]
"""Text that is only stored and shown. Whatever it holds, it becomes one line of printable text."""


class Metadata(BaseModel):
    """The message's metadata of the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filename: Text | None = Field(default=None, max_length=1024)
    content_type: Text | None = Field(default=None, alias="contentType", max_length=255)
    upload_id: Text | None = Field(default=None, alias="uploadId", max_length=1024)
    location: Text | None = Field(default=None, max_length=4096)


class Uploaded(BaseModel):
    """A valid `video.uploaded` message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_id: str = Field(alias="messageId", min_length=1, max_length=255)
    video_id: int = Field(alias="videoId", ge=1, le=MAX_ID, strict=True)
    user_id: int | None = Field(default=None, alias="userId", ge=0, le=MAX_ID, strict=True)
    file_key: str = Field(alias="fileKey", min_length=1, max_length=1024)
    metadata: Metadata = Metadata()
    correlation_id: Text | None = Field(default=None, alias="correlationId", max_length=255)
    ts: AwareDatetime

    @field_validator("message_id", "file_key")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("holds characters that do not belong there")
        return value

    @field_validator("ts")
    @classmethod
    def _is_of_our_time(cls, value: datetime) -> datetime:
        if not 2000 <= value.year <= 2100:  # times further out cannot be converted to UTC
            raise ValueError("is not of this century")
        return value.astimezone(timezone.utc)

    @field_validator("file_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        if any(not part or part.startswith(".") for part in value.split("/")):
            raise ValueError("is no storage key")
        return value


def parse(data: bytes | None) -> Uploaded:
    """Parses a message. PermanentError, with one line that names the field, where it is not valid."""
    if not data or len(data) > MAX_BYTES:
        raise PermanentError(f"the message has {len(data or b''):,} bytes; between 1 and {MAX_BYTES:,} are read")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise PermanentError("the message is no JSON") from None
    if not isinstance(body, dict):
        raise PermanentError("the message is no JSON object")
    try:
        return Uploaded.model_validate({"messageId": body.get("id"), **body})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise PermanentError(one_line(f"{where}: {first['msg']}", 200)) from None


@dataclass(frozen=True)
class Received:
    """A message as it was read, with its position in the topic."""

    topic: str
    partition: int
    offset: int
    data: bytes | None

    @property
    def text(self) -> str:
        """The beginning of the message as one line, for people."""
        return one_line((self.data or b"")[:4000].decode("utf-8", "replace"), 2000)

    @property
    def place(self) -> int:
        """A unique negative number, for `unapplied_events.storage_id`: the event log's ids are positive."""
        return -((self.partition << 44) + self.offset + 1)


class UploadedReader:
    """Reads the topic as a member of a consumer group, so several may run. Connects on first use. For one thread at a
    time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.kafka_topic_prefix + UPLOADED
        self._consumer: Consumer | None = None
        self._errors: list[KafkaError] = []

    def take(self, handle: Callable[[Received], object], limit: int) -> int:
        """Reads at most `limit` messages, calls `handle` for each, then commits the offsets; returns how many were
        handled. An exception from `handle` is raised, and its message is read again next time. TransientError where
        Kafka does not answer."""
        consumer = self._connected()
        try:
            messages = consumer.consume(limit, timeout=_WAIT_SECONDS)
            self._raise_if_down(nothing_came=not messages)
            count = 0
            for message in messages:
                if self._is_message(message):
                    handle(_received(message))
                    consumer.store_offsets(message)
                    count += 1
            if count:
                consumer.commit(asynchronous=False)
            return count
        except KafkaException as error:
            self.close()
            raise TransientError(self._words(error.args[0])) from None
        except BaseException:
            # The next call reads again from the last commit.
            self.close()
            raise

    def close(self) -> None:
        """Leaves the consumer group."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                client_options(
                    self._settings,
                    {
                        "group.id": self._settings.kafka_group,
                        "enable.auto.commit": False,
                        "enable.auto.offset.store": False,
                        "auto.offset.reset": "earliest",
                        "session.timeout.ms": 10_000,
                        # The topic may be created later.
                        "topic.metadata.refresh.interval.ms": 5_000,
                        "allow.auto.create.topics": False,
                        "error_cb": self._errors.append,
                    },
                )
            )
            self._consumer.subscribe([self._topic])
        return self._consumer

    def _raise_if_down(self, *, nothing_came: bool) -> None:
        """TransientError where no message came and the client reported that no broker answers."""
        errors, self._errors[:] = list(self._errors), []
        down = [error for error in errors if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)]
        if nothing_came and down:
            raise TransientError(self._words(down[-1]))

    def _is_message(self, message: Message) -> bool:
        error = message.error()
        if error is not None:
            log.info("%s: %s", self._topic, one_line(error.str(), 200))
        return error is None

    def _words(self, error: KafkaError) -> str:
        where = self._settings.kafka_bootstrap_servers
        return one_line(f"Kafka at {where} did not answer: {error.str()}; what was sent to us waits there", 300)


def _received(message: Message) -> Received:
    return Received(message.topic() or "", message.partition() or 0, message.offset() or 0, message.value())


def own_key(file_key: str, video_id: int) -> bool:
    """Whether an object may be this video's upload: it is in no other video's folder, and is not an artifact of this
    one."""
    folder = re.match(r"videos/([^/]+)/", file_key)
    return folder is None or file_key.startswith(f"videos/{video_id}/source/")
