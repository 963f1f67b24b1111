"""Events that could not be published, as an operator sees them and goes on from there."""

from __future__ import annotations

import json

import pytest

from video_assets.cli.app import run
from video_assets.clock import utc_now
from video_assets.outbox import messages, queue, rows
from video_assets.settings import Settings
from video_assets.systems import Systems

READY = messages.ready(7, at=utc_now())


@pytest.fixture
def systems(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Systems:
    """Video 7 with a parked event and one behind it, and another video's."""
    for name, value in settings.environment({}).items():
        monkeypatch.setenv(name, value)
    opened = Systems(settings)
    with opened.database.write() as session:
        rows.add(session, [READY], service="python-backend")
        rows.add(session, [messages.deleted(7, at=utc_now()), messages.ready(8, at=utc_now())], service="x")
        queue.park(session, READY.id, "\x1b[31mtoo large")
    return opened


def told(settings: Settings) -> list[tuple[str, str]]:
    path = settings.home / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(json.loads(line)["key"], json.loads(line)["topic"]) for line in lines]


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(words) == 0
    return capsys.readouterr().out


def test_what_is_parked_is_seen_everywhere(systems: Systems, capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked(capsys, "events")
    assert "too large" in shown
    assert "\x1b[31m" not in shown
    assert "3 events not published yet, 1 of them parked" in shown
    document = json.loads(asked(capsys, "events", "--json"))
    assert document["unpublished_events"] == 3
    (parked,) = document["parked"]
    assert (parked["id"], parked["video_id"], parked["topic"], parked["waiting_behind"]) == (
        str(READY.id),
        7,
        "video.ready",
        1,
    )
    assert json.loads(asked(capsys, "status", "--json"))["parked_events"] == 1
    capsys.readouterr()
    assert run(["doctor", "--json"]) == 1
    findings = {each["name"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert not findings["outbox"]["ok"]
    assert "1 event is parked (video 7, video.ready: " in findings["outbox"]["found"]


def test_released_it_is_sent_with_what_waited_behind_it(
    systems: Systems, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    systems.drain_outbox()
    assert told(settings) == [("8", "video.ready")]
    assert "0 events not published yet" not in asked(capsys, "events", "--release", "7")
    systems.drain_outbox()
    assert told(settings)[1:] == [("7", "video.ready"), ("7", "video.deleted")]


def test_given_up_it_is_never_sent_and_holds_nothing(
    systems: Systems, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, "events", "--give-up", "7")
    with systems.database.write() as session:  # as a replay of the event log would tell it again
        assert rows.add(session, [READY], service="python-backend") == []
    systems.drain_outbox()
    assert told(settings) == [("7", "video.deleted"), ("8", "video.ready")]
