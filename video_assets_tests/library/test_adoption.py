"""A schema of the services before is taken over: nothing is lost, and everything of ours works on it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from video_assets.artifacts.upload import read_upload_record
from video_assets.database.engine import Database
from video_assets.database.models import AdoptedVideoRow, Base, SummaryRow, TranscriptRow, VariantRow, VideoRow
from video_assets.errors import PermanentError
from video_assets.intake import processed_messages, upload_rows
from video_assets.intake.sweep import sweep_uploads
from video_assets.library import adopted_rows, deletion_rows, queries
from video_assets.library.adoption import record_adopted
from video_assets.library.deletion import delete_video
from video_assets.library.staleness import stale
from video_assets.outbox import queue
from video_assets.projection import apply
from video_assets.projection.events import Event
from video_assets.recipes import Wanted
from video_assets.search import open_index
from video_assets.settings import Settings
from video_assets.storage.local import LocalStorage
from video_assets.videos import RunState, Stage
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import CREATED, at, changed, made

DUMP = Path(__file__).with_name("before.sql").read_text(encoding="utf-8")
WORDS = ("uploading", "pending", "transcoding", "transcribing", "summarizing", "indexing", "ready", "failed")
LOWER, UPPER = {word: word for word in WORDS}, {word: word.upper() for word in WORDS}
STATUSES = {
    "text": ("", "text DEFAULT 'pending'", LOWER),
    "checked varchar": (
        "",
        "varchar(20) NOT NULL DEFAULT 'pending' CHECK (status IN ('uploading', 'pending', 'summarizing', 'ready',"
        " 'failed'))",
        LOWER,
    ),
    "native enum": (
        "CREATE TYPE videos_status_enum AS ENUM ('uploading', 'pending', 'summarizing', 'ready', 'failed');",
        "videos_status_enum NOT NULL DEFAULT 'pending'",
        LOWER,
    ),
    "enum of names": (
        "CREATE TYPE videostatus AS ENUM ('UPLOADING', 'PENDING', 'SUMMARIZING', 'READY', 'FAILED');",
        "videostatus NOT NULL DEFAULT 'PENDING'",
        UPPER,
    ),
}
OLD_TABLES = (
    "users",
    "videos",
    "video_variants",
    "upload_metadata",
    "video_transcripts",
    "video_summaries",
    "outbox_events",
    "processed_messages",
    "migrations",
    "alembic_version",
)


def load(database: Database, kind: str) -> None:
    before, column, words = STATUSES[kind]
    dump = DUMP.replace("@BEFORE_VIDEOS@", before).replace("@STATUS_TYPE@", column)
    for word, theirs in words.items():
        dump = dump.replace(f"@{word}@", theirs)
    with database.engine.begin() as connection:
        # A server that does not keep UTC, as the services' own machines may not have.
        connection.exec_driver_sql(f"ALTER DATABASE {database.url.database} SET timezone TO 'America/Lima'")
        connection.exec_driver_sql(dump)


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as session:
        return {
            table: [dict(row._mapping) for row in session.execute(text(f"SELECT * FROM {table} ORDER BY 1"))]
            for table in OLD_TABLES
        }


EACH_WAY = pytest.mark.parametrize("old", list(STATUSES), indirect=True)


@pytest.fixture
def old(request: pytest.FixtureRequest, postgres_database: str) -> Any:
    """A database of the services before; with `EACH_WAY` once for each way in which they kept the status."""
    database = Database(postgres_database)
    load(database, getattr(request, "param", "native enum"))
    database.dispose()
    yield database
    database.dispose()


@pytest.fixture
def adopted(old: Database) -> Database:
    old.ensure_schema()
    return old


@EACH_WAY
def test_every_row_and_every_value_is_still_there(old: Database) -> None:
    before = everything(old)
    old.ensure_schema()
    after = everything(old)
    assert set(after) == set(before)
    for table, told in before.items():
        assert len(after[table]) == len(told), table
        for was, now in zip(told, after[table], strict=True):
            for column, value in was.items():
                if table == "videos" and column in ("status", "status_message"):
                    continue  # the next test
                expected = value
                if value is None:  # where we count on a value, an empty one stands now
                    expected = {"name": "", "model_info": {}, "duration_seconds": 0}.get(column)
                if table == "videos" and was["id"] == 4 and column == "processed_at":
                    expected = None
                assert now[column] == expected, (table, column, was)
    old.ensure_schema()
    assert everything(old) == after


@EACH_WAY
def test_a_video_stands_where_it_stood_or_waits_for_a_run_of_ours(adopted: Database) -> None:
    with adopted.read() as session:
        stand = {row.id: (row.status, row.status_message) for row in queries.videos(session)}
        assert stand == {
            3: ("ready", None),
            4: ("pending", None),
            8: ("failed", "ffmpeg exited with code 1"),
            9: ("pending", None),
            12: ("failed", "its upload had not ended when the service moved; upload it again"),
        }
        noted = {row.video_id: row.status for row in session.scalars(select(AdoptedVideoRow))}
        assert noted == {3: "ready", 4: "summarizing", 8: "failed", 9: "pending", 12: "uploading"}
        assert queries.adopted_ready(session, [3, 4, 8, 9, 12]) == {3}
    ready = rows.video(adopted, 3)
    assert ready.created_at == datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
    assert ready.processed_at == datetime(2024, 1, 2, 3, 9, 5, 250000, tzinfo=timezone.utc)


@EACH_WAY
def test_ids_go_on_and_new_rows_need_nothing_of_the_old_columns(adopted: Database) -> None:
    (new,) = rows.add_videos(adopted, 1)
    assert new == 16  # 13 to 15 were given, and deleted, before
    with adopted.write() as session:
        assert processed_messages.was_taken(session, "m-1")
        assert processed_messages.take(session, "m-3", at(1))
        assert not processed_messages.take(session, "m-2", at(1))
    assert rows.video(adopted, new).created_at == CREATED
    with adopted.read() as session:
        assert session.scalar(text("SELECT created_at::text FROM videos WHERE id = 16")) == (
            CREATED.strftime("%Y-%m-%d %H:%M:%S")
        )


@EACH_WAY
def test_a_status_may_be_any_word_of_ours_and_a_message_of_any_length(adopted: Database) -> None:
    long = "x" * 500
    apply.apply(
        adopted,
        [
            (1, changed([9], "run0", 0, RunState.STARTED, 1)),
            (2, made(9, Stage.UPLOADS, "run0", 0, 2)),
            (3, made(9, Stage.VARIANTS, "run0", 0, 3)),
            (4, made(9, Stage.TRANSCRIPTS, "run0", 0, 4)),
            (5, made(9, Stage.SUMMARIES, "run0", 0, 5)),
        ],
        Settings(),
    )
    assert rows.video(adopted, 9).status == "indexing"
    failed = changed([9], "run0", 0, RunState.FAILED, 6, error_kind="permanent", error=long)
    apply.apply(adopted, [(6, failed)], Settings())
    assert (rows.video(adopted, 9).status, rows.video(adopted, 9).status_message) == ("failed", long)


def test_an_adopted_video_stays_ready_whatever_its_runs_do_and_nothing_is_told_twice(adopted: Database) -> None:
    before = rows.video(adopted, 3)
    history: list[Event] = [
        changed([3], "run0", 0, RunState.STARTED, 1),
        changed([3], "run0", 0, RunState.FAILED, 2, error_kind="permanent", error="no"),
        changed([3], "run1", 5, RunState.STARTED, 6),
        made(3, Stage.UPLOADS, "run1", 5, 7),
    ]
    for number, event in enumerate(history):
        apply.apply(adopted, [(number + 1, event)], Settings())
        assert rows.video(adopted, 3).status == "ready"
    after = rows.video(adopted, 3)
    assert (after.processed_at, after.updated_at, after.status_message) == (
        before.processed_at,
        before.updated_at,
        None,
    )
    assert rows.topics(adopted, 3) == ["video.uploaded"]


def test_what_is_made_anew_replaces_what_the_services_before_had_made(adopted: Database) -> None:
    with adopted.read() as session:
        assert session.scalar(select(func.count()).select_from(VariantRow)) == 3
        assert session.scalar(select(TranscriptRow.transcript_text).where(TranscriptRow.video_id == 3)) is not None
        summary = queries.summary(session, 3)
        assert summary is not None
        assert summary.quality_score == 0.875
    events = [made(3, stage, "run0", 0, n) for n, stage in enumerate(Stage, start=1)]
    apply.apply(adopted, list(enumerate([changed([3], "run0", 0, RunState.STARTED, 1), *events], 1)), Settings())
    with adopted.read() as session:
        keys = set(session.scalars(select(VariantRow.key).where(VariantRow.video_id == 3)))
        assert keys
        assert not any(key.startswith("transcoded/") for key in keys)
        assert session.scalar(select(func.count()).select_from(TranscriptRow).where(TranscriptRow.video_id == 3)) == 1
        assert session.scalar(select(func.count()).select_from(SummaryRow).where(SummaryRow.video_id == 3)) == 1
    assert set(rows.topics(adopted, 3)) == {
        "video.uploaded",
        "video.transcoded",
        "video.transcribed",
        "video.summarized",
    }


def test_what_an_adopted_video_lacks_is_not_stale(adopted: Database) -> None:
    wanted = Wanted({}, {}, "1")
    with adopted.read() as session:
        ready = queries.adopted_ready(session, [3, 9])
        ledger = queries.ledger(session, [3, 9])
    assert [stale(ledger[i].get(Stage.VARIANTS), wanted, adopted=i in ready) == [] for i in (3, 9)] == [True, False]


def test_waiting_messages_of_both_services_go_out_in_their_order(adopted: Database) -> None:
    with adopted.read() as session:
        waiting = next(queue.batches(session, 10, size=10), [])
    assert [(each.video_id, each.topic) for each in waiting] == [
        (9, "video.uploaded"),
        (4, "video.transcribed"),
        (0, "user.created"),
    ]


def test_an_adopted_video_can_be_made_again_and_deleted_with_its_old_files(adopted: Database, tmp_path: Path) -> None:
    storage, settings = LocalStorage(tmp_path / "storage"), Settings(home=tmp_path)
    kept = ["uploads/1/a2-talk.mp4", "transcripts/4.json"]
    old = ["uploads/1/9f1c-herons.mp4", "transcoded/3/720p.mp4", "transcoded/3/480p-again.mp4", "transcripts/3.json"]
    for key in (*old, *kept):
        storage.put_bytes(key, b"x")
    assert record_adopted(adopted, storage) == ["5 videos of the services before have their upload records"]
    assert record_adopted(adopted, storage) == []
    record = read_upload_record(storage, 3)
    assert (record.key, record.title, record.filename, record.user_name) == (
        "uploads/1/9f1c-herons.mp4",
        "Herons at dawn",
        "herons.mp4",
        "Ada",
    )

    search = open_index(f"sqlite:///{tmp_path / 'search.db'}")
    assert delete_video(3, database=adopted, storage=storage, search=search, settings=settings, now=at(9))
    left = {stat.key for stat in storage.list("") if not stat.key.startswith("videos/")}
    assert left == set(kept)
    assert {s.key for s in storage.list("videos/3/")} == {f"videos/3/{stage.value}/current.json" for stage in Stage}
    with adopted.read() as session:
        assert session.get(VideoRow, 3) is None
        assert deletion_rows.is_known(session, 3)
        assert session.scalar(select(func.count()).select_from(VariantRow)) == 0
        assert adopted_rows.old_keys(session, 4) == ["transcripts/4.json", "uploads/1/a2-talk.mp4"]
        assert session.scalar(text("SELECT count(*) FROM upload_metadata WHERE video_id = 3")) == 0


def test_nothing_adopted_is_swept_as_an_upload_that_never_ended(adopted: Database, tmp_path: Path) -> None:
    swept = list(sweep_uploads(adopted, LocalStorage(tmp_path), Settings(), datetime.now(timezone.utc)))
    assert swept == []
    with adopted.write() as session:
        assert session.scalar(select(func.count()).select_from(VideoRow)) == 5
        assert upload_rows.add_video(session, title="x", now=at(0)).id == 16


def test_two_rows_where_we_need_one_are_said_and_nothing_is_changed(old: Database) -> None:
    with old.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO upload_metadata VALUES (gen_random_uuid(), 3, 'other.mp4', NULL, NULL, 'videos', now())"
        )
    before = everything(old)
    with pytest.raises(PermanentError, match="upload_metadata has several rows of video_id 3; keep one"):
        old.ensure_schema()
    assert everything(old) == before


def test_a_table_of_somebody_elses_under_one_of_our_names_is_said(postgres_database: str) -> None:
    database = Database(postgres_database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE progress (percent int)")
    with pytest.raises(PermanentError, match=r"another program .*progress"):
        database.ensure_schema()
    database.dispose()


def test_tables_in_sqlite_are_not_taken_over(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE videos (id INTEGER PRIMARY KEY)"))
    with pytest.raises(PermanentError, match="must be on Postgres"):
        database.ensure_schema()
    database.dispose()


def test_the_dump_has_every_table_of_the_services_before() -> None:
    ours = {table.name for table in Base.metadata.sorted_tables}
    assert set(OLD_TABLES) - ours == {"migrations", "alembic_version"}
