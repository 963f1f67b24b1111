"""The file that stands in for topics: whole lines, whatever a full disk or a power cut left of one."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from video_assets.outbox.publisher import JsonLinesPublisher
from video_assets.outbox.queue import Outgoing
from video_assets.outbox.sending import Sending


def event(number: int) -> Outgoing:
    return Outgoing(number, str(uuid4()), number, "video.ready", json.dumps({"videoId": number}), 0)


def publish(path: Path, *events: Outgoing) -> tuple[Sending, list[str]]:
    safe: list[str] = []
    return JsonLinesPublisher(path).publish([list(events)], safe.extend, lambda: None), safe


def told(path: Path) -> list[int]:
    return [json.loads(line)["payload"]["videoId"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("torn", [b"", b'{"topic": "video.rea', b"x" * 200_000, '{"title": "ä'.encode()[:-1]])
@pytest.mark.parametrize("before", [0, 2])
def test_a_torn_line_swallows_no_event(tmp_path: Path, before: int, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    if before:
        publish(path, *(event(number) for number in range(before)))
    with path.open("ab") as file:
        file.write(torn)
    later = event(7)
    sending, safe = publish(path, later)
    assert (sending.trouble, safe) == ("", [later.id])
    assert told(path) == [*range(before), 7]


def test_a_full_disk_leaves_no_half_line_and_marks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    publish(path, event(1))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("video_assets.outbox.publisher.os.fsync", full)
        sending, safe = publish(path, event(2))
    assert "No space left" in sending.trouble
    assert "\n" not in sending.trouble
    assert safe == []
    assert path.read_bytes() == before
    publish(path, event(2))
    assert told(path) == [1, 2]
