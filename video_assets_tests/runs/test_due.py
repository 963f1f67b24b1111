"""Whom the uploads sensor launches."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from video_assets.runs.due import SENSOR, Launch, OpenLaunch, Waiting, due
from video_assets.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SETTINGS = Settings(launch_timeout_seconds=60)
ASKED = OpenLaunch(9, "video-9-1", SENSOR, "upload", NOW - timedelta(seconds=90), NOW - timedelta(seconds=10), None)


def waiting(*ages: int) -> list[Waiting]:
    return [Waiting(number, NOW - timedelta(seconds=age), "upload") for number, age in enumerate(ages, start=1)]


def test_the_oldest_go_first_and_two_a_free_slot_are_queued() -> None:
    launches = due(waiting(10, 30, 20), [], 1, NOW, SETTINGS)
    assert [(launch.video_id, launch.run_key) for launch in launches] == [(2, None), (3, None)]


def test_nothing_is_queued_without_a_free_slot() -> None:
    assert due(waiting(10, 20), [], 0, NOW, SETTINGS) == []
    assert due(waiting(10, 20), [], -1, NOW, SETTINGS) == []


def test_what_was_asked_for_a_moment_ago_takes_room_and_is_not_asked_again() -> None:
    assert [launch.video_id for launch in due(waiting(10, 20), [ASKED], 1, NOW, SETTINGS)] == [2]


def test_a_launch_that_shows_no_run_in_time_is_asked_for_again_under_its_key_and_first() -> None:
    old = replace(ASKED, requested_at=NOW - timedelta(seconds=61))
    asked = Launch(9, "upload", "video-9-1", old.requested_at)
    assert due(waiting(500), [old], 1, NOW, SETTINGS) == [asked, Launch(1, "upload")]


def test_a_launch_whose_run_was_seen_is_left_alone_however_old() -> None:
    seen = replace(ASKED, requested_at=NOW - timedelta(hours=1), run_id="abc")
    assert due([], [seen], 5, NOW, SETTINGS) == []


def test_a_retry_is_requested_at_once() -> None:
    retry = replace(ASKED, created_at=NOW, requested_at=None)
    assert due([], [retry], 1, NOW, SETTINGS) == [Launch(9, "upload", "video-9-1")]


def test_a_claim_of_the_command_keeps_the_sensor_away_until_it_is_too_old() -> None:
    claim = replace(ASKED, claimed_by="process", requested_at=NOW - timedelta(seconds=59))
    assert due([], [claim], 1, NOW, SETTINGS) == []
    assert due([], [replace(claim, requested_at=NOW - timedelta(seconds=61))], 1, NOW, SETTINGS) != []


def test_a_video_with_an_open_launch_gets_no_second_one() -> None:
    assert due([Waiting(9, NOW, "upload")], [ASKED], 5, NOW, SETTINGS) == []
