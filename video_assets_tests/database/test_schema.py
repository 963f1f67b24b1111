"""The schema: made by the migrations, the one the models speak of, on SQLite and Postgres."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from video_assets.database import engine
from video_assets.database.engine import Database
from video_assets.database.migrations import HEAD, VERSION_TABLE
from video_assets.database.models import Base, DeletedVideoRow, VariantRow
from video_assets.errors import PermanentError, TransientError
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import CREATED

LATER_TABLES = ("adopted_videos", "library")
"""What came after the first release."""


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []


def test_the_newest_revision_is_the_one_the_fast_path_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "video_assets.database:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_database_of_the_first_release_is_known_by_its_version_under_the_old_name(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    with database.write() as session:
        session.execute(text(f"ALTER TABLE {VERSION_TABLE} RENAME TO alembic_version"))
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        for later in LATER_TABLES:
            session.execute(text(f"DROP TABLE {later}"))
    database.ensure_schema()
    assert rows.video(database, video_id).title == "title 0"
    assert "alembic_version" not in inspect(database.engine).get_table_names()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []


def test_somebody_elses_version_in_the_same_database_is_left_alone(database_url: str) -> None:
    """Dagster keeps its own there, and the services before kept theirs."""
    database = Database(database_url)
    with database.write() as session:
        session.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        session.execute(text("INSERT INTO alembic_version VALUES ('16e3115a602a')"))
    database.ensure_schema()
    with database.read() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == "16e3115a602a"
    assert rows.add_videos(database, 1) == [1]
    database.dispose()


def test_a_database_of_a_newer_release_is_refused_in_a_line(database: Database) -> None:
    with database.write() as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(PermanentError, match="newer release") as caught:
        database.ensure_schema()
    assert "\n" not in str(caught.value)


def test_upgrading_twice_or_at_once_does_no_harm(database_url: str) -> None:
    errors: list[Exception] = []

    def go() -> None:
        try:
            Database(database_url).ensure_schema()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    database = Database(database_url)
    database.ensure_schema()
    assert "videos" in inspect(database.engine).get_table_names()
    database.dispose()


def test_the_tables_of_the_services_before_keep_their_columns(database: Database) -> None:
    found = inspect(database.engine)
    columns = {table: {column["name"] for column in found.get_columns(table)} for table in found.get_table_names()}
    assert columns["videos"] == {
        "id",
        "title",
        "description",
        "user_id",
        "user_name",
        "key",
        "status",
        "status_message",
        "processed_at",
        "created_at",
        "updated_at",
    }
    assert columns["video_transcripts"] == {
        "id",
        "video_id",
        "transcript_text",
        "transcript_path",
        "status",
        "duration_seconds",
        "model_info",
        "created_at",
        "updated_at",
    }
    assert columns["video_summaries"] == {
        "id",
        "video_id",
        "summary_text",
        "summary_path",
        "model_info",
        "quality_score",
        "created_at",
        "updated_at",
    }
    assert columns["video_variants"] == {"id", "video_id", "quality", "key", "created_at"}
    assert columns["outbox_events"] == {
        "id",
        "topic",
        "payload",
        "published",
        "attempts",
        "service",
        "created_at",
        "published_at",
    }


def test_rows_go_with_their_video_and_foreign_keys_hold(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    with database.write() as session:
        session.add(VariantRow(video_id=video_id, quality="720p", key="k", created_at=CREATED))
    with database.write() as session:
        session.execute(text("DELETE FROM videos"))
    assert rows.dump(database, (VariantRow,)) == {"video_variants": []}
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(VariantRow(video_id=video_id, quality="720p", key="k", created_at=CREATED))


def test_times_come_back_aware_and_in_utc_to_the_microsecond(database: Database) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=5)))
    with database.write() as session:
        session.add(DeletedVideoRow(video_id=1, title=None, deleted_at=moment))
    with database.read() as session:
        back = session.get_one(DeletedVideoRow, 1).deleted_at
    assert (back, back.utcoffset()) == (moment, timedelta(0))


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="no time zone"), database.write() as session:
        session.add(DeletedVideoRow(video_id=1, title=None, deleted_at=datetime(2026, 1, 1)))


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        session.add(DeletedVideoRow(video_id=1, title=None, deleted_at=CREATED))
        session.flush()
        raise RuntimeError("half way")
    with database.read() as session:
        assert session.get(DeletedVideoRow, 1) is None


def test_only_one_holds_a_lock_and_it_is_given_back(database: Database, database_url: str) -> None:
    other = Database(database_url)
    with database.only_one("outbox") as mine, other.only_one("outbox") as theirs, other.only_one("else") as another:
        assert (bool(mine), bool(theirs), bool(another)) == (True, False, True)
        mine.check()
    with other.only_one("outbox") as theirs:
        assert theirs
    other.dispose()


def test_a_lock_that_went_with_its_connection_is_known_to_be_gone(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHECK_SECONDS", 0)
    ours, other = Database(postgres_database), Database(postgres_database)
    holders = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with ours.only_one("outbox") as mine:
        mine.check()
        with other.write() as session:  # what a server that is started again does to all
            assert session.scalars(holders).all() == [True]
        for _ in range(2):
            with pytest.raises(TransientError, match="gave our lock away"):
                mine.check()
    with ours.only_one("outbox") as again:
        again.check()
    for one in (ours, other):
        one.dispose()


def test_tables_that_are_not_there_are_a_permanent_error_that_says_what_to_do(database_url: str) -> None:
    bare = Database(database_url)
    with pytest.raises(PermanentError, match="DB_SYNC"):
        rows.add_videos(bare, 1)
    bare.dispose()


def test_a_server_that_is_away_is_a_transient_error_without_the_password() -> None:
    database = Database("postgresql://someone:hidden-word@127.0.0.1:1/none")
    with pytest.raises(TransientError) as caught, database.read() as session:
        session.execute(text("SELECT 1"))
    assert "hidden-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "postgres+nothing://u:hidden-word@h/d", "mongodb://u:hidden-word@h/d"])
def test_a_url_that_is_none_is_a_permanent_error_without_the_password(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        Database(url)
    assert "hidden-word" not in str(caught.value)


def test_a_reader_is_not_held_up_by_a_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tables.db'}")
    database.ensure_schema()
    with database.write() as writer:
        writer.add(DeletedVideoRow(video_id=1, title=None, deleted_at=CREATED))
        writer.flush()
        with database.read() as reader:
            assert reader.get(DeletedVideoRow, 1) is None
    database.dispose()


@pytest.mark.parametrize("damage", ["no database at all", "pages overwritten"])
def test_a_damaged_file_is_told_with_what_to_run(tmp_path: Path, damage: str) -> None:
    """And not as a raw error, which invites to remove it."""
    path = tmp_path / "video-assets.db"
    database = Database(f"sqlite:///{path}")
    database.ensure_schema()
    database.dispose()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(0 if damage == "no database at all" else 4096)
        file.write(b"\xff" * (size if damage == "no database at all" else size - 4096))
    with pytest.raises(PermanentError, match=r"is damaged; .* `video-assets rebuild --database`") as caught:
        database.ensure_schema()
        with database.read() as session:
            session.execute(text("SELECT * FROM videos")).all()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    database.dispose()
