"""The payloads, as consumers of the services before read them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from video_assets.outbox import messages
from video_assets.outbox.messages import OutboxEvent

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)


def body(event: OutboxEvent) -> dict[str, object]:
    """The payload after a trip through JSON, without what all have."""
    payload: dict[str, object] = json.loads(json.dumps(event.payload))
    assert payload.pop("id") == str(event.id)
    assert payload.pop("videoId") == event.video_id == 7
    assert payload.pop("ts") == "2026-01-02T03:04:05.678Z"
    return payload


def test_uploaded() -> None:
    event = messages.uploaded(
        7,
        user_id=3,
        file_key="k",
        filename="a.mp4",
        content_type="video/mp4",
        upload_id="u",
        location=None,
        correlation_id="c",
        at=AT,
    )
    assert event.topic == "video.uploaded"
    assert body(event) == {
        "userId": 3,
        "fileKey": "k",
        "correlationId": "c",
        "messageId": str(event.id),
        "metadata": {"filename": "a.mp4", "contentType": "video/mp4", "uploadId": "u"},
    }


def test_transcoded() -> None:
    event = messages.transcoded(7, "r", "f", variants=[("720p", "k", 5)], at=AT)
    assert (event.topic, body(event)) == (
        "video.transcoded",
        {"variants": [{"resolution": "720p", "fileKey": "k", "sizeBytes": 5}]},
    )


def test_transcribed() -> None:
    event = messages.transcribed(7, "r", "f", file_key="k", snippets=4, at=AT)
    assert (event.topic, body(event)) == ("video.transcribed", {"transcriptFileKey": "k", "snippetCount": 4})


def test_summarized_leaves_out_what_there_is_not() -> None:
    event = messages.summarized(7, "r", "f", file_key="k", text="t", at=AT)
    assert (event.topic, body(event)) == ("video.summarized", {"summaryFileKey": "k", "summaryText": "t"})
    assert body(messages.summarized(7, "r", "f", file_key=None, text="", at=AT)) == {}


def test_failed_ready_and_deleted() -> None:
    failed = messages.failed(7, "r", stage="variants", error="bad", metadata={"runId": "r"}, at=AT)
    assert body(failed) == {"stage": "variants", "error": "bad", "metadata": {"runId": "r"}}
    assert body(messages.ready(7, at=AT)) == body(messages.deleted(7, at=AT)) == {}


def test_an_id_belongs_to_topic_video_run_and_fingerprint() -> None:
    one = messages.event_id("video.transcoded", 7, "r", "f")
    assert one == messages.event_id("video.transcoded", 7, "r", "f")
    others = [
        ("video.ready", 7, "r", "f"),
        ("video.transcoded", 8, "r", "f"),
        ("video.transcoded", 7, "s", "f"),
        ("video.transcoded", 7, "r", "g"),
    ]
    assert one not in {messages.event_id(*other) for other in others}


def test_ids_never_change_between_releases() -> None:
    """Consumers tell what they have seen by the id, so a release that reckoned it anew would tell all twice."""
    assert str(messages.event_id(messages.READY, 1)) == "d1599346-2683-57be-9e5b-7bfe0552f522"


def test_times_are_told_in_utc() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert messages.timestamp(elsewhere) == "2026-01-02T03:04:05.678Z"


def test_messages_of_one_moment_are_told_in_pipeline_order() -> None:
    events = [
        messages.ready(7, at=AT),
        messages.summarized(7, "r", "f", file_key="k", text="t", at=AT),
        messages.transcoded(7, "r", "f", variants=[], at=AT),
        messages.transcribed(7, "r", "f", file_key="k", snippets=0, at=AT - timedelta(seconds=1)),
    ]
    topics = [event.topic for event in sorted(events, key=lambda event: event.place)]
    assert topics == ["video.transcribed", "video.transcoded", "video.summarized", "video.ready"]
