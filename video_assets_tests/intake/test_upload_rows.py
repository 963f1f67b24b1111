"""What intake writes, and how it is put back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from video_assets.artifacts.upload import UploadRecord
from video_assets.database.engine import Database
from video_assets.database.models import UploadMetadataRow
from video_assets.errors import PermanentError
from video_assets.intake import upload_rows
from video_assets.library import deletion_rows
from video_assets.settings import Settings
from video_assets.videos import RunState
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import at, changed


def record(video_id: int) -> UploadRecord:
    return UploadRecord(
        video_id=video_id, key="k", title="Harbour", filename="a.mp4", content_type="video/mp4", created_at=at(0)
    )


def add(database: Database) -> int:
    with database.write() as session:
        return upload_rows.add_video(session, title="Harbour", now=at(0)).id


def test_a_video_is_uploading_until_its_file_is_there_and_then_told_once(database: Database) -> None:
    video_id = add(database)
    assert rows.video(database, video_id).status == "uploading"
    assert rows.outbox(database) == []
    told = []
    for _ in range(2):
        with database.write() as session:
            upload_rows.set_source(session, video_id, "k")
            told.append(upload_rows.mark_pending(session, video_id, now=at(5), filename="a.mp4", size_bytes=3))
    assert told == [True, False]
    assert rows.video(database, video_id).status == "pending"
    assert rows.topics(database, video_id) == ["video.uploaded"]
    with database.read() as session:
        assert session.scalars(select(UploadMetadataRow.size_bytes)).all() == [3]


def test_marking_pending_takes_no_later_status_back(database: Database) -> None:
    from video_assets.projection import apply

    video_id = add(database)
    going = changed([video_id], "run0", 0, RunState.STARTED, 1)
    failed = changed([video_id], "run0", 0, RunState.FAILED, 2, error_kind="permanent", error="no")
    apply.apply(database, [(1, going), (2, failed)], Settings())
    with database.write() as session:
        upload_rows.mark_pending(session, video_id, now=at(5))
    assert rows.video(database, video_id).status == "failed"


def test_a_withdrawn_upload_leaves_nothing_and_its_id_is_not_given_again(database: Database) -> None:
    video_id = add(database)
    with database.write() as session:
        upload_rows.withdraw(session, video_id)
    assert add(database) == video_id + 1
    assert rows.outbox(database) == []


def test_a_video_that_was_deleted_while_its_bytes_came_is_told_to_nobody(database: Database) -> None:
    video_id = add(database)
    with database.write() as session:
        deletion_rows.delete_video(session, video_id, at(1))
    with pytest.raises(PermanentError, match="upload it again"), database.write() as session:
        upload_rows.mark_pending(session, video_id, now=at(5))
    assert rows.topics(database, video_id) == ["video.deleted"]


def test_a_restored_row_is_the_one_that_was_there(database: Database) -> None:
    video_id = add(database)
    with database.write() as session:
        upload_rows.set_source(session, video_id, "k")
        upload_rows.mark_pending(session, video_id, now=at(0), filename="a.mp4", content_type="video/mp4")
    before = rows.dump(database, (*rows.REBUILT, UploadMetadataRow))
    rows.wipe(database)
    for _ in range(2):
        with database.write() as session:
            upload_rows.restore(session, record(video_id))
    assert rows.dump(database, (*rows.REBUILT, UploadMetadataRow)) == before
    assert rows.outbox(database) == []


def test_ids_that_were_restored_are_not_given_again(database: Database) -> None:
    with database.write() as session:
        upload_rows.restore(session, record(40))
        upload_rows.restore_deleted(session, 70, at(9))
    assert add(database) > 70
    with database.write() as session:
        assert deletion_rows.is_known(session, 70)
        assert not deletion_rows.is_known(session, 71_000)
        upload_rows.restore_deleted(session, 70, at(9))
    with database.read() as session:
        assert deletion_rows.deleted_since(session, at(9)) == [70]
        assert deletion_rows.deleted_since(session, at(10)) == []


def test_a_deleted_video_is_not_restored(database: Database) -> None:
    with database.write() as session:
        upload_rows.restore_deleted(session, 7, at(9))
        upload_rows.restore(session, record(7))
    assert rows.dump(database, rows.REBUILT)["videos"] == []
