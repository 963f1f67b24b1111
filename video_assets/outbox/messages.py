"""The topics and their payloads, exactly as existing consumers read them.

Pure: ids are derived from the event and times are the event's own, so the same event always gives the same bytes. In a
payload `id` is the outbox id as text, and `ts` is ISO 8601 in UTC with a Z.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid5

UPLOADED = "video.uploaded"
TRANSCODED = "video.transcoded"
TRANSCRIBED = "video.transcribed"
SUMMARIZED = "video.summarized"
READY = "video.ready"
FAILED = "video.failed"
DELETED = "video.deleted"

TOPICS = (UPLOADED, TRANSCODED, TRANSCRIBED, SUMMARIZED, READY, FAILED, DELETED)
"""In pipeline order: messages of the same time are sent in this order."""

_NAMESPACE = UUID("5b0c4f5e-6f0e-5c53-9d0b-3a5f1c6b7a10")


@dataclass(frozen=True)
class OutboxEvent:
    """A message to publish. `created_at` is the time of the event that it reports."""

    id: UUID
    topic: str
    video_id: int
    payload: Mapping[str, Any]
    created_at: datetime

    @property
    def place(self) -> tuple[datetime, int, int, str]:
        """The sort key of messages in one transaction: by time, then in pipeline order."""
        return (self.created_at, TOPICS.index(self.topic), self.video_id, str(self.id))


@dataclass(frozen=True)
class StoredMessage:
    """A message that is in the outbox, and whether it was published."""

    event: OutboxEvent
    published: bool


def event_id(topic: str, video_id: int, run_id: str = "", fingerprint: str = "") -> UUID:
    """The outbox id of an event. The same event always has the same id, so it is never added twice."""
    return uuid5(_NAMESPACE, f"{topic}/{video_id}/{run_id}/{fingerprint}")


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and a Z."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def uploaded(
    video_id: int,
    *,
    user_id: int | None,
    file_key: str,
    filename: str | None,
    content_type: str | None,
    upload_id: str | None,
    location: str | None,
    correlation_id: str | None,
    at: datetime,
) -> OutboxEvent:
    """video.uploaded: the uploaded file is in storage. One per video."""
    identity = event_id(UPLOADED, video_id)
    metadata = {"filename": filename, "contentType": content_type, "uploadId": upload_id}
    if location:
        metadata["location"] = location
    body = {
        "userId": user_id,
        "fileKey": file_key,
        "metadata": metadata,
        "correlationId": correlation_id or str(identity),
        "messageId": str(identity),
    }
    return _event(identity, UPLOADED, video_id, at, body)


def transcoded(
    video_id: int, run_id: str, fingerprint: str, *, variants: Iterable[tuple[str, str, int]], at: datetime
) -> OutboxEvent:
    """video.transcoded: new rungs are current. `variants`: (resolution, storage key, bytes)."""
    listed = [{"resolution": quality, "fileKey": key, "sizeBytes": size} for quality, key, size in variants]
    return _made(TRANSCODED, video_id, run_id, fingerprint, at, {"variants": listed})


def transcribed(
    video_id: int, run_id: str, fingerprint: str, *, file_key: str, snippets: int, at: datetime
) -> OutboxEvent:
    """video.transcribed: a new transcript is current."""
    body = {"transcriptFileKey": file_key, "snippetCount": snippets}
    return _made(TRANSCRIBED, video_id, run_id, fingerprint, at, body)


def summarized(
    video_id: int, run_id: str, fingerprint: str, *, file_key: str | None, text: str | None, at: datetime
) -> OutboxEvent:
    """video.summarized: a new summary is current. Key and text are left out where they are empty."""
    body = {name: value for name, value in (("summaryFileKey", file_key), ("summaryText", text)) if value}
    return _made(SUMMARIZED, video_id, run_id, fingerprint, at, body)


def ready(video_id: int, *, at: datetime) -> OutboxEvent:
    """video.ready: every stage has been current. One per video."""
    return _event(event_id(READY, video_id), READY, video_id, at, {})


def failed(
    video_id: int, run_id: str, *, stage: str, error: str, metadata: Mapping[str, Any], at: datetime
) -> OutboxEvent:
    """video.failed: a run left the video failed. `error` is one line for people."""
    body: dict[str, Any] = {"stage": stage, "error": error}
    if metadata:
        body["metadata"] = dict(metadata)
    return _event(event_id(FAILED, video_id, run_id), FAILED, video_id, at, body)


def deleted(video_id: int, *, at: datetime) -> OutboxEvent:
    """video.deleted: the video and everything made of it are gone."""
    return _event(event_id(DELETED, video_id), DELETED, video_id, at, {})


def _made(
    topic: str, video_id: int, run_id: str, fingerprint: str, at: datetime, body: Mapping[str, Any]
) -> OutboxEvent:
    return _event(event_id(topic, video_id, run_id, fingerprint), topic, video_id, at, body)


def _event(identity: UUID, topic: str, video_id: int, at: datetime, body: Mapping[str, Any]) -> OutboxEvent:
    payload = {"id": str(identity), "videoId": video_id, **body, "ts": timestamp(at)}
    return OutboxEvent(identity, topic, video_id, payload, at)
