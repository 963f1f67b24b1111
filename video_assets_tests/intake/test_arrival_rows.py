"""What came from outside is taken once, and uploads that never ended are taken back."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from video_assets.database.engine import Database
from video_assets.intake import processed_messages, upload_rows
from video_assets.intake.sweep import sweep_uploads
from video_assets.settings import Settings
from video_assets.storage.local import LocalStorage
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import at


def test_of_two_at_once_one_takes_it(database: Database, database_url: str) -> None:
    """Each holds its transaction open until the other has asked too, as far as the database lets it."""
    took: list[bool] = []
    started = threading.Barrier(4)

    def go() -> None:
        mine = Database(database_url)
        started.wait()
        with mine.write() as session:
            took.append(processed_messages.take(session, "message", at(1)))
        mine.dispose()

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(took) == [False, False, False, True]
    with database.read() as session:
        assert processed_messages.was_taken(session, "message")
        assert not processed_messages.was_taken(session, "another")


def test_what_is_rolled_back_or_forgotten_was_not_taken(database: Database) -> None:
    for number in range(2):
        try:
            with database.write() as session:
                assert processed_messages.take(session, "message", at(number))
                raise RuntimeError
        except RuntimeError:
            pass
    with database.write() as session:
        assert processed_messages.take(session, "message", at(3))
    with database.write() as session:
        processed_messages.forget(session, "message")
    with database.write() as session:
        assert processed_messages.take(session, "message", at(4))


def test_an_upload_that_never_ended_is_taken_back_with_its_files_and_no_other(
    database: Database, tmp_path: Path
) -> None:
    storage, settings = LocalStorage(tmp_path), Settings(upload_hours=24)
    with database.write() as session:
        dead = upload_rows.add_video(session, title="dead", now=at(0)).id
        young = upload_rows.add_video(session, title="young", now=at(0) + timedelta(hours=2)).id
    (whole,) = rows.add_videos(database, 1)
    for video_id in (dead, young, whole):
        storage.put_bytes(f"videos/{video_id}/source/original.mp4", b"x")
    swept = list(sweep_uploads(database, storage, settings, at(0) + timedelta(hours=25)))
    assert swept == [f"video {dead}: its upload never ended and was taken back"]
    assert {stat.key.split("/")[1] for stat in storage.list("videos/")} == {str(young), str(whole)}
    with database.read() as session:
        assert upload_rows.unfinished_since(session, at(0) + timedelta(days=9)) == [young]
    assert list(sweep_uploads(database, storage, settings, at(0) + timedelta(hours=25))) == []
