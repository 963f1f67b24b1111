"""Tables and storage that do not belong together: nothing is taken in, nothing overwritten, and the line says what
to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from video_assets.clock import utc_now
from video_assets.database.engine import Database, NoSchema
from video_assets.errors import TransientError
from video_assets.intake import claim, upload_rows
from video_assets.intake import identity_rows as tables
from video_assets.intake.arrival import arrive
from video_assets.intake.claim import claim_key, new_video
from video_assets.intake.identity import KEY, Apart, may_rebuild, must_match, put_together, what_is_wrong
from video_assets.intake.kafka import Received
from video_assets.intake.uploads import take_in
from video_assets.outbox.messages import UPLOADED
from video_assets.settings import Settings
from video_assets.storage import Storage, open_storage
from video_assets.storage.s3_client import S3Options, make_client
from video_assets.videos import Video

REBUILD = "video-assets rebuild --database"


class House:
    """Places for tables and storage, both opened anew whenever asked for."""

    def __init__(self, folder: Path, database_url: str, opened: Callable[[], Storage]) -> None:
        self.folder, self.database_url, self.opened = folder, database_url, opened
        self.storage = opened()
        self.database = self.tables(database_url)
        self.settings = Settings(home=folder / "home", min_free_bytes=0)

    def tables(self, url: str) -> Database:
        database = Database(url)
        database.ensure_schema()
        return database

    def drop_tables(self) -> None:
        """As a lost disk does."""
        if self.database.is_sqlite:
            self.database.dispose()
            for path in self.folder.glob("tables.db*"):
                path.unlink()
        else:
            with self.database.write() as session:
                session.execute(text("DROP SCHEMA public CASCADE"))
                session.execute(text("CREATE SCHEMA public"))
            self.database.dispose()
        self.database = self.tables(self.database_url)

    def take(self, content: bytes, database: Database | None = None, **more: Any) -> Video:
        path = self.folder / "film.mp4"
        path.write_bytes(content)
        return take_in(path, database=database or self.database, storage=self.storage, settings=self.settings, **more)

    def everything(self) -> dict[str, bytes]:
        return {stat.key: self.storage.get_bytes(stat.key) for stat in self.storage.list("")}

    def forget_identities(self) -> None:
        """As the release before left both."""
        self.storage.delete(KEY)
        with self.database.write() as session:
            session.execute(text("DELETE FROM library"))


@pytest.fixture(params=["local", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    if request.param == "local":
        return partial(open_storage, (tmp_path / "storage").as_uri())
    endpoint: str = request.getfixturevalue("s3_endpoint")
    options = S3Options(endpoint_url=endpoint, region="us-east-1")
    return partial(open_storage, request.getfixturevalue("s3_url"), partial(make_client, options))


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, opened: Callable[[], Storage], tmp_path: Path) -> Iterator[House]:
    url = f"sqlite:///{tmp_path / 'tables.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_database")
    made = House(tmp_path, url, opened)
    yield made
    made.database.dispose()


def test_a_new_library_has_one_identity_on_both_sides(house: House) -> None:
    assert what_is_wrong(house.database, house.storage) is None
    assert house.everything() == {}  # looking alone makes nothing
    must_match(house.database, house.storage)
    before = house.everything()
    assert list(before) == [KEY]
    must_match(house.tables(house.database_url), house.opened())
    assert house.everything() == before
    with house.database.read() as session:
        noted = tables.noted(session)
    assert noted is not None
    assert noted.settled
    assert noted.identity.encode() in before[KEY]


def test_of_many_who_start_at_once_all_agree(house: House) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(6)

    def go() -> None:
        database, storage = Database(house.database_url), house.opened()
        start.wait()
        try:
            must_match(database, storage)
        except BaseException as error:
            failures.append(error)
        finally:
            database.dispose()

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert what_is_wrong(house.database, house.storage) is None


def test_lost_tables_take_nothing_in_and_overwrite_nothing(house: House) -> None:
    first = house.take(b"the first")
    before = house.everything()
    house.drop_tables()
    for _ in range(2):
        with pytest.raises(Apart, match=REBUILD) as refused:
            house.take(b"another")
    assert "\n" not in str(refused.value)
    message = b'{"id":"m","videoId":1,"fileKey":"uploads/talk.mp4","ts":"2026-01-02T03:04:05Z"}'
    house.storage.put_bytes("uploads/talk.mp4", b"film")
    with pytest.raises(TransientError, match=REBUILD):  # it is to come again, not to be set aside
        arrive(
            Received(UPLOADED, 0, 1, message),
            database=house.database,
            storage=house.storage,
            settings=house.settings,
            now=utc_now(),
        )
    house.storage.delete("uploads/talk.mp4")
    assert house.everything() == before
    with house.database.read() as session:
        assert tables.known_videos(session) == (0, 0)
        assert tables.noted(session) is None
    assert house.storage.get_bytes(first.key) == b"the first"


def test_lost_tables_of_the_release_before_are_found_out_too(house: House) -> None:
    house.take(b"the first")
    house.storage.delete(KEY)
    house.drop_tables()
    with pytest.raises(Apart, match=REBUILD):
        house.take(b"another")


def test_a_library_of_the_release_before_is_adopted_without_a_word(house: House) -> None:
    first = house.take(b"the first")
    house.forget_identities()
    assert what_is_wrong(house.database, house.storage) is None
    assert house.take(b"the second").id > first.id
    assert what_is_wrong(house.database, house.storage) is None
    assert house.storage.stat(KEY) is not None


def test_tables_of_a_release_before_that_may_not_be_changed_are_told_from_lost_ones(house: House) -> None:
    house.take(b"the first")
    with house.database.write() as session:
        session.execute(text("DROP TABLE library"))
    with pytest.raises(NoSchema, match="DB_SYNC"):
        house.take(b"another")
    with house.database.write() as session:
        session.execute(text("DROP TABLE videos CASCADE" if not house.database.is_sqlite else "DROP TABLE videos"))
    with pytest.raises(Apart, match=REBUILD):
        house.take(b"another")


def test_an_adoption_that_broke_off_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.take(b"the first")
    house.forget_identities()

    def away(*_: object) -> str:
        raise TransientError("the storage did not answer")

    with monkeypatch.context() as patched:
        patched.setattr(house.storage, "put_if", away)
        with pytest.raises(TransientError):
            house.take(b"the second")
    house.take(b"the second")
    assert what_is_wrong(house.database, house.storage) is None


def test_two_libraries_do_not_mix(house: House, tmp_path: Path) -> None:
    house.take(b"the first")
    other = house.tables(f"sqlite:///{tmp_path / 'other.db'}")
    elsewhere = open_storage((tmp_path / "other storage").as_uri())
    path = tmp_path / "another.mp4"
    path.write_bytes(b"another")
    take_in(path, database=other, storage=elsewhere, settings=house.settings)
    before = house.everything()
    with pytest.raises(Apart, match=r"belong to another storage.*DATABASE_URL or .*STORAGE_URL"):
        take_in(path, database=other, storage=house.storage, settings=house.settings)
    with pytest.raises(Apart, match="belong to another storage"):
        may_rebuild(other, house.storage)
    assert house.everything() == before
    other.dispose()


def test_a_storage_that_is_not_mounted_is_no_new_one(house: House, tmp_path: Path) -> None:
    house.take(b"the first")
    bare = open_storage((tmp_path / "mount point").as_uri())
    path = tmp_path / "another.mp4"
    path.write_bytes(b"another")
    with pytest.raises(Apart, match="the storage is empty: mount it, or correct VIDEO_ASSETS_STORAGE_URL"):
        take_in(path, database=house.database, storage=bare, settings=house.settings)
    with pytest.raises(Apart, match="--storage-lost"):
        may_rebuild(house.database, bare)
    assert list(bare.list("")) == []
    may_rebuild(house.database, bare, storage_lost=True)
    put_together(house.database, bare)
    assert take_in(path, database=house.database, storage=bare, settings=house.settings).id > 1


def test_after_a_rebuild_both_belong_together_and_no_id_is_given_again(house: House) -> None:
    house.take(b"the first")
    house.storage.put_bytes("videos/41/source/original.mp4", b"left out of the rebuild")
    house.drop_tables()
    may_rebuild(house.database, house.storage)
    put_together(house.database, house.storage)
    assert what_is_wrong(house.database, house.storage) is None
    assert house.take(b"the next").id == 42


def test_a_damaged_identity_is_written_anew_by_a_rebuild(house: House) -> None:
    house.take(b"the first")
    house.storage.put_bytes(KEY, b"\x00garbage")
    with pytest.raises(Apart, match=f"cannot be read.*{REBUILD}"):
        house.take(b"another")
    may_rebuild(house.database, house.storage)
    put_together(house.database, house.storage)
    house.take(b"another")


def test_a_source_is_never_written_where_anything_lies(house: House) -> None:
    house.take(b"the first")
    house.storage.put_bytes("videos/2/variants/old/manifest.json", b"of somebody else")
    house.storage.put_bytes("videos/7/source/original.mp4", b"of somebody else")
    before = house.everything()
    video = house.take(b"the next")
    assert video.id == 8  # above all that the storage has seen
    after = house.everything()
    assert {key: after[key] for key in before} == before
    assert claim_key(8) not in after


def test_of_two_tables_on_one_storage_one_wins_each_id(house: House, tmp_path: Path) -> None:
    """However it came about that both think they own it."""
    must_match(house.database, house.storage)
    twin = house.tables(f"sqlite:///{tmp_path / 'twin.db'}")
    with house.database.read() as session:
        noted = tables.noted(session)
    assert noted is not None
    with twin.write() as session:
        tables.put(session, noted.identity)
    got: list[int] = []
    start = threading.Barrier(2)

    def go(database: Database) -> None:
        storage = house.opened()
        start.wait()
        for _ in range(4):
            video, _claim = new_video(
                database, storage, lambda session: upload_rows.add_video(session, title="x", now=utc_now())
            )
            got.append(video.id)

    threads = [threading.Thread(target=go, args=(each,)) for each in (house.database, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 8
    twin.dispose()


def test_what_is_taken_back_is_only_what_came_with_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id was free when it was claimed; what somebody puts there beside stays."""

    def breaks(storage: Storage, record: Any) -> None:
        storage.put_bytes(f"videos/{record.video_id}/uploads/current.json", b"a tombstone")
        raise TransientError("the storage did not answer")

    with monkeypatch.context() as patched:
        patched.setattr("video_assets.intake.uploads.put_upload_record", breaks)
        with pytest.raises(TransientError):
            house.take(b"film")
    assert [key for key in house.everything() if key != KEY] == ["videos/1/uploads/current.json"]
    assert house.take(b"film").id == 2


def test_a_claim_whose_answer_is_lost_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    must_match(house.database, house.storage)
    real = claim._claimed

    def lost(*words: Any) -> bool:
        real(*words)
        raise TransientError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(claim, "_claimed", lost)
        with pytest.raises(TransientError):
            house.take(b"film")
    assert list(house.everything()) == [KEY]
    assert house.take(b"film").id == 2
