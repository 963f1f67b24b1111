"""What intakes that died left behind goes when their process is gone, and what the living do stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.errors import TransientError
from video_assets.intake import sweep, upload_rows
from video_assets.intake.claim import claim_key
from video_assets.intake.holder import is_dead, this_process
from video_assets.intake.identity import KEY, must_match
from video_assets.intake.sweep import sweep_uploads
from video_assets.intake.uploads import take_in
from video_assets.intake.work_folder import intake_folder
from video_assets.settings import Settings
from video_assets.storage import Storage, open_storage
from video_assets.storage.local import LocalStorage
from video_assets.storage.s3_client import S3Options, make_client

INTAKE = """
import sys, time
from pathlib import Path
from video_assets.database.engine import Database
from video_assets.intake.uploads import take_in
from video_assets.settings import Settings
from video_assets.storage import local, open_storage
from video_assets.storage.s3_client import S3Options, make_client
real = local._read
def halfway(file):
    chunk = real(file)
    if not chunk:
        print("copying", flush=True)
        time.sleep(600)
    return chunk
local._read = halfway
film, tables, storage, home, endpoint = sys.argv[1:]
if endpoint:
    import video_assets.intake.uploads as intake
    def stopped(*_):
        print("copying", flush=True)
        time.sleep(600)
    intake.put_upload_record = stopped
    opened = open_storage(storage, lambda: make_client(S3Options(endpoint_url=endpoint, region="us-east-1")))
else:
    opened = open_storage(storage)
settings = Settings(home=Path(home), min_free_bytes=0)
take_in(Path(film), database=Database(tables), storage=opened, settings=settings)
"""


class House:
    def __init__(self, folder: Path, url: str, endpoint: str) -> None:
        self.folder, self.url, self.endpoint = folder, url, endpoint
        make = partial(make_client, S3Options(endpoint_url=endpoint, region="us-east-1"))
        self.storage: Storage = open_storage(url, make if endpoint else None)
        self.tables = f"sqlite:///{folder / 'tables.db'}"
        self.database = Database(self.tables)
        self.database.ensure_schema()
        self.settings = Settings(home=folder / "home", reconcile_seconds=1, min_free_bytes=0)
        must_match(self.database, self.storage)

    @contextmanager
    def intake(self) -> Iterator[subprocess.Popen[str]]:
        """A process in the middle of taking a file in."""
        (self.folder / "film.mp4").write_bytes(b"film" * 100_000)
        words = [self.folder / "film.mp4", self.tables, self.url, self.folder / "home", self.endpoint]
        child = subprocess.Popen(
            [sys.executable, "-c", INTAKE, *map(str, words)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert child.stdout is not None
        with child.stdout as out:
            try:
                assert out.readline() == "copying\n"
                yield child
            finally:
                child.kill()
                child.wait(timeout=10)

    def sweep(self) -> list[str]:
        return list(sweep_uploads(self.database, self.storage, self.settings, utc_now()))

    def unfinished(self) -> list[int]:
        with self.database.read() as session:
            return upload_rows.unfinished_since(session)

    def files(self) -> list[str]:
        """All of it, half-made ones too."""
        if isinstance(self.storage, LocalStorage):
            root = self.storage.root
            paths = (path for path in root.rglob("*") if path.is_file() and path.parent.name != ".locks")
            return sorted(path.relative_to(root).as_posix() for path in paths)
        return [stat.key for stat in self.storage.list("")]


@pytest.fixture(params=["local", "s3"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "local":
        made = House(tmp_path, (tmp_path / "storage").as_uri(), "")
    else:
        made = House(tmp_path, request.getfixturevalue("s3_url"), request.getfixturevalue("s3_endpoint"))
    yield made
    made.database.dispose()


def test_an_upload_whose_process_was_killed_goes_at_once_and_one_that_is_going_stays(house: House) -> None:
    with house.intake() as child:
        assert house.unfinished() == [1]
        assert house.sweep() == []
        assert len(house.files()) > 1
        child.kill()
        child.wait(timeout=10)
        assert house.sweep() == ["video 1: its upload died with its process and was taken back"]
    assert house.unfinished() == []
    assert house.files() == [KEY]
    assert not list((house.folder / "home").rglob("intake-*"))
    assert house.sweep() == []


def test_a_process_that_was_killed_and_not_yet_waited_for_is_dead(house: House) -> None:
    with house.intake() as child:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert len(house.sweep()) == 1


def claimed_by(house: House, **changes: Any) -> None:
    holder = replace(this_process(), **changes)
    with house.database.write() as session:
        video = upload_rows.add_video(session, title="x", now=utc_now())
    words = {"token": "t", **holder.__dict__}
    house.storage.put_bytes(claim_key(video.id), json.dumps(words).encode())
    house.storage.put_bytes(f"videos/{video.id}/source/original.mp4", b"half")


def test_what_a_living_process_could_not_take_back_goes_when_the_storage_is_there_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("the storage did not answer")

    film = house.folder / "film.mp4"
    film.write_bytes(b"film")
    with monkeypatch.context() as patched:
        patched.setattr("video_assets.intake.uploads.put_upload_record", away)
        patched.setattr(house.storage, "delete_prefix", away)
        with pytest.raises(TransientError):
            take_in(film, database=house.database, storage=house.storage, settings=house.settings)
    assert house.unfinished() == [1]
    assert len(house.sweep()) == 1
    assert house.files() == [KEY]


def test_of_another_container_nobody_can_tell_and_it_goes_by_age(house: House) -> None:
    claimed_by(house, space="pid:[1]")
    assert house.sweep() == []
    later = utc_now() + timedelta(hours=house.settings.upload_hours + 1)
    swept = list(sweep_uploads(house.database, house.storage, house.settings, later))
    assert swept == ["video 1: its upload never ended and was taken back"]
    assert house.files() == [KEY]


def test_what_was_there_before_an_upload_without_a_claim_stays(house: House) -> None:
    """It died before it could look what lies under its id."""
    with house.database.write() as session:
        upload_rows.add_video(session, title="x", now=utc_now() - timedelta(hours=25))
    house.storage.put_bytes("videos/1/source/original.mp4", b"of a video that was lost from the tables")
    house.storage.put_bytes("videos/1/upload.json", b"{}")
    assert len(house.sweep()) == 1
    assert house.files() == [KEY, "videos/1/source/original.mp4", "videos/1/upload.json"]


def test_nothing_is_swept_from_another_librarys_storage(house: House) -> None:
    claimed_by(house, started="1")
    house.storage.put_bytes(KEY, b'{"identity": "another"}')
    assert house.sweep() == []
    assert "videos/1/source/original.mp4" in house.files()


def test_a_process_is_dead_only_where_that_is_certain() -> None:
    here = this_process()
    dead: Callable[..., bool] = partial(is_dead, here=here, one_machine=True)
    assert not dead(here)
    assert dead(replace(here, started="1"))  # its number was given again
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert dead(replace(here, pid=child.pid))
    assert dead(replace(here, boot="before the power cut"))
    assert not is_dead(replace(here, boot="another machine"), here, one_machine=False)
    assert not dead(replace(here, space="another container", pid=child.pid))
    assert not dead(replace(here, boot=""))


def test_copies_in_the_work_folder_go_with_their_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, reconcile_seconds=1)
    with intake_folder(settings) as ours:
        (ours / "half").write_bytes(b"half")
        dead = settings.work_folder / "intake-dead"
        dead.mkdir()
        (dead / "half").write_bytes(b"half")
        before = settings.work_folder / "intake-videos-1-source-original.mp4"
        before.write_bytes(b"half")
        growing = settings.work_folder / "intake-videos-2-source-original.mp4"
        with growing.open("wb"):
            for path in (ours, dead, before, growing):
                os.utime(path, (1, 1))
            said = list(sweep._sweep_work(settings))
            assert sorted(path.name for path in settings.work_folder.iterdir()) == sorted((ours.name, growing.name))
        assert len(said) == 2
    assert not ours.exists()
    with suppress(FileNotFoundError):
        os.utime(growing, (1, 1))
    assert len(list(sweep._sweep_work(settings))) == 1
    assert list(settings.work_folder.iterdir()) == []
