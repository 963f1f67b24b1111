"""The graph over S3 and Postgres: the same as over a folder and a file, with Dagster's own storage there too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from video_assets.database.models import Base
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.operations.compare import rebuild_database
from video_assets.defs.operations.delete import delete_video
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.conftest import bucket_on
from video_assets_tests.defs.studio import CAPTIONS, REBUILT, Studio

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str, postgres_url: str) -> Iterator[Studio]:
    folder, name = tmp_path_factory.mktemp("studio"), f"test_{uuid4().hex}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    with pytest.MonkeyPatch.context() as patched, bucket_on(s3_endpoint, patched) as (_, bucket):
        settings = Settings(
            home=folder / "home",
            min_free_bytes=0,
            ladder="360,240",
            heartbeat_seconds=0.5,
            storage_url=f"s3://{bucket}/library",
            s3_endpoint_url=s3_endpoint,
            database_url=make_url(postgres_url).set(database=name).render_as_string(hide_password=False),
        )
        with open_instance(settings) as instance:
            studio = Studio(settings, instance, folder)
            yield studio
            studio.systems.database.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="module")
def ready(studio: Studio) -> int:
    video_id = studio.video()
    studio.run(video_id)
    assert studio.status(video_id) == ("ready", None)
    return video_id


def objects(studio: Studio) -> dict[str, int]:
    return {stat.key: stat.bytes for stat in studio.systems.storage.list("")}


def test_a_second_run_finds_everything_fresh_and_writes_no_object(studio: Studio, ready: int) -> None:
    before, there = studio.made(ready), objects(studio)
    assert set(before) == set(Stage)
    studio.run(ready)
    assert studio.made(ready) == before
    assert objects(studio) == there


def test_an_added_rung_and_corrected_captions_make_just_those(studio: Studio, ready: int) -> None:
    before = studio.made(ready)
    studio.correct_captions(ready, CAPTIONS.replace("herons", "puffins").encode(), "corrected.vtt")
    studio.with_settings(ladder="360,240,144").run(ready)
    after = studio.made(ready)
    old = {file.name: file for file in before[Stage.VARIANTS].files}
    new = {file.name: file for file in after[Stage.VARIANTS].files}
    assert set(new) - set(old) == {"144p.mp4", "144p.m3u8"}
    assert all(new[name] == old[name] for name in old)
    assert after[Stage.UPLOADS] == before[Stage.UPLOADS]
    assert after[Stage.TRANSCRIPTS].run_id != before[Stage.TRANSCRIPTS].run_id
    assert ready in {hit.video_id for hit in studio.systems.search.search("puffins")}


def test_deleting_leaves_tombstones_alone_and_the_tables_are_rebuilt_from_the_bucket(
    studio: Studio, ready: int
) -> None:
    gone = studio.video()
    studio.run(gone)
    assert delete_video(studio.systems, studio.instance, gone)
    left = {key for key in objects(studio) if key.startswith(f"videos/{gone}/")}
    assert left == {f"videos/{gone}/{stage.value}/current.json" for stage in Stage}

    before = studio.tables()
    with studio.systems.database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    assert rebuild_database(studio.systems, studio.instance).trouble == []

    after = studio.tables()
    for name in REBUILT:
        if name == "deleted_videos":
            assert [row[0] for row in after[name]] == [row[0] for row in before[name]]
        else:
            assert after[name] == before[name], name
    assert studio.video() > gone


def test_nothing_half_made_is_left_in_the_work_folder_or_the_bucket(studio: Studio, ready: int) -> None:
    work = studio.settings.work_folder
    assert [path for path in work.rglob("*") if path.is_file()] == []
    client: Any = studio.systems.client_of_s3
    bucket = studio.settings.storage_url.split("/")[2]
    assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_dagsters_own_storage_is_in_postgres_too(studio: Studio, ready: int, tmp_path: Path) -> None:
    """The production instance's storage, told by a URL."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"storage:\n  postgres:\n    postgres_url: {studio.settings.database_url.replace('+psycopg2', '')}\n"
        "telemetry:\n  enabled: false\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(home))
        with open_instance(studio.settings) as instance:
            other = Studio(studio.settings, instance, studio.folder)
            video_id = other.video()
            other.run(video_id)
            assert other.status(video_id) == ("ready", None)
            assert instance.get_runs_count() == 1
            assert type(instance.event_log_storage).__name__ != "SqliteEventLogStorage"
