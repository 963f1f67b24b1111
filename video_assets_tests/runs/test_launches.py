"""Rows of launches: one open for a video, closed by what is seen of its run."""

from __future__ import annotations

import threading

from sqlalchemy import select

from video_assets.database.engine import Database
from video_assets.database.models import LaunchRow
from video_assets.projection import apply
from video_assets.runs import launches
from video_assets.runs.due import SENSOR, Launch
from video_assets.settings import Settings
from video_assets.videos import RunState
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import at, changed


def look(database: Database) -> tuple[list[tuple[int, str]], list[str]]:
    """(waiting videos with reason, run keys of open launches)."""
    with database.read() as session:
        waiting, live = launches.waiting_and_live(session, limit=100)
    return [(each.video_id, each.reason) for each in waiting], [each.run_key for each in live]


def launch(database: Database, video_id: int, when: float = 0) -> Launch:
    with database.write() as session:
        (noted,) = launches.record(session, [Launch(video_id, "upload")], claimed_by=SENSOR, now=at(when))
    return noted


def hear(database: Database, video_id: int, run_id: str, state: RunState, when: float, **more: object) -> None:
    apply.apply(database, [(0, changed([video_id], run_id, when, state, when, **more))], Settings())


def close(database: Database, runs: dict[str, str], when: float) -> None:
    with database.write() as session:
        launches.close_answered(session, runs, now=at(when))


def test_a_launched_video_waits_no_longer_and_keeps_its_key(database: Database) -> None:
    one, two = rows.add_videos(database, 2)
    assert look(database) == ([(one, "upload"), (two, "upload")], [])
    noted = launch(database, one)
    assert look(database) == ([(two, "upload")], [noted.run_key])
    with database.write() as session:
        (again,) = launches.record(session, [noted], claimed_by=SENSOR, now=at(9))
        assert again.run_key == noted.run_key
        assert launches.record(session, [noted], claimed_by=SENSOR, now=at(9)) == []  # requested since by another
        assert launches.open_run_keys(session) == [noted.run_key]


def test_a_run_that_is_seen_closes_its_launch_only_once_the_tables_know_of_it(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    key = launch(database, video_id).run_key or ""
    close(database, {key: "run1"}, 1)
    assert look(database) == ([], [key])  # not waiting again in the moment before the first event is applied
    hear(database, video_id, "run1", RunState.QUEUED, 2)
    close(database, {key: "run1"}, 3)
    assert look(database) == ([], [])
    with database.read() as session:
        row = session.scalars(select(LaunchRow)).one()
        assert (row.run_id, row.closed_at) == ("run1", at(3))


def test_any_later_run_of_the_video_answers_a_launch(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    hear(database, video_id, "before", RunState.SUCCEEDED, -5)
    launch(database, video_id)
    close(database, {}, 1)
    assert len(look(database)[1]) == 1
    hear(database, video_id, "by hand", RunState.STARTED, 2)
    close(database, {}, 3)
    with database.read() as session:
        assert launches.open_run_keys(session) == []


def test_a_run_that_somebody_deleted_gives_the_video_back(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    key = launch(database, video_id).run_key or ""
    close(database, {key: "run1"}, 1)
    close(database, {}, 2)  # somebody who looked for other runs only
    assert look(database) == ([], [key])
    with database.write() as session:
        launches.close_answered(session, {}, now=at(3), looked_for=[key])
    assert look(database) == ([(video_id, "upload")], [])


def test_a_lost_worker_is_launched_again_under_a_new_key(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    first = launch(database, video_id)
    hear(database, video_id, "run1", RunState.STARTED, 1)
    close(database, {first.run_key or "": "run1"}, 2)
    assert look(database) == ([], [])
    hear(database, video_id, "run1", RunState.FAILED, 3, error_kind="worker_lost", error="gone")
    assert look(database) == ([(video_id, "relaunch")], [])
    assert launch(database, video_id, 4).run_key != first.run_key


def test_a_failed_video_does_not_wait_but_can_be_asked_for(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    hear(database, video_id, "run1", RunState.FAILED, 3, error_kind="permanent", error="bad")
    assert look(database) == ([], [])
    with database.write() as session:
        assert launches.request(session, video_id, reason="retry", now=at(9))
        assert not launches.request(session, video_id, reason="retry", now=at(9))
        assert not launches.request(session, 999, reason="retry", now=at(9))
    assert len(look(database)[1]) == 1


def test_a_claim_is_held(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    with database.write() as session:
        key = launches.claim(session, video_id, claimed_by="process", reason="upload", now=at(0))
        assert launches.claim(session, video_id, claimed_by="process", reason="upload", now=at(1)) == key
    assert look(database)[0] == []


def test_of_many_who_ask_at_once_one_opens_the_launch(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    won: list[bool] = []

    def ask() -> None:
        with database.write() as session:
            won.append(launches.request(session, video_id, reason="retry", now=at(0)))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
