"""Uploads over HTTP: whatever breaks off on the way, in the end there is one whole video or nothing of it."""

from __future__ import annotations

import hashlib
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from video_assets.artifacts.captions import current_captions
from video_assets.artifacts.upload import UploadRecord, put_upload_record, read_upload_record
from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import MultipartUploadRow, OutboxRow, UploadMetadataRow, UploadRecordRow, VideoRow
from video_assets.errors import PermanentError, TransientError
from video_assets.intake import multipart, multipart_rows, upload_plan
from video_assets.intake.identity import KEY, must_match
from video_assets.intake.sweep import sweep_unfinished, sweep_uploads
from video_assets.intake.upload_plan import MultipartUpload, NoSuchUpload, OverQuota, UploadCompleted, UploadExpired
from video_assets.intake.uploads import NewVideo, Refused
from video_assets.library import deletion_rows
from video_assets.outbox.messages import UPLOADED
from video_assets.settings import Settings
from video_assets.storage import PartRefused, PartsDiffer, Storage, open_storage
from video_assets.storage.local import LocalStorage
from video_assets.storage.s3_client import S3Options, make_client
from video_assets.videos import Video

PART = 5 * 2**20
DATA = hashlib.shake_128(b"film").digest(PART + 1000)
"""Two parts, of the smallest size that S3 takes."""
VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"


class House:
    """Tables and storage, and a client of them."""

    def __init__(self, database: Database, storage: Storage, settings: Settings) -> None:
        self.database, self.storage, self.settings = database, storage, settings
        self.now = utc_now()
        must_match(database, storage)

    def initiate(self, new: NewVideo | None = None, **words: Any) -> MultipartUpload:
        return multipart.initiate(
            new or NewVideo(),
            **{
                "filename": "my_talk.mp4",
                "content_type": None,
                "size_bytes": len(DATA),
                "database": self.database,
                "storage": self.storage,
                "settings": self.settings,
                "now": self.now,
                **words,
            },
        )

    def send(self, upload: MultipartUpload, number: int, data: bytes | None = None, **words: Any) -> tuple[int, str]:
        data = DATA[(number - 1) * PART : number * PART] if data is None else data
        more = {"size": len(data), "storage": self.storage, "now": self.now, **words}
        address = multipart.part_address(upload, number, seconds=60, **more)
        if address is None:
            with multipart.open_part(upload, number, **more) as writer:
                writer.write(data)
                return number, writer.finish().etag
        request = urllib.request.Request(address.url, data=data, method="PUT", headers=dict(address.headers))
        with urllib.request.urlopen(request, timeout=30) as answer:
            return number, answer.headers["ETag"]

    def sent(self, **words: Any) -> MultipartUpload:
        """An upload of which all parts are there."""
        upload = self.initiate(**words)
        for number in (2, 1):
            self.send(upload, number)
        return upload

    def complete(
        self, upload_id: str, named: list[tuple[int, str]] | None = None, now: datetime | None = None, **words: Any
    ) -> Video:
        more = {"database": self.database, "storage": self.storage, "settings": self.settings, **words}
        return multipart.complete(upload_id, named, now=now or self.now, **more)

    def abort(self, upload: MultipartUpload) -> bool:
        return multipart.abort(upload.upload_id, database=self.database, storage=self.storage)

    def sweep(self, hours: float = 0) -> list[str]:
        return list(sweep_uploads(self.database, self.storage, self.settings, self.now + timedelta(hours=hours)))

    def videos(self) -> list[tuple[int, str]]:
        with self.database.read() as session:
            return [(row.id, row.status) for row in session.scalars(select(VideoRow).order_by(VideoRow.id))]

    def uploads(self) -> list[MultipartUploadRow]:
        with self.database.read() as session:
            return list(session.scalars(select(MultipartUploadRow)))

    def told(self) -> list[dict[str, Any]]:
        with self.database.read() as session:
            return list(session.scalars(select(OutboxRow.payload).where(OutboxRow.topic == UPLOADED)))

    def objects(self) -> list[str]:
        return [stat.key for stat in self.storage.list("")]

    def must_be_empty(self) -> None:
        """Nothing of any upload is left, not even parts."""
        assert self.videos() == []
        assert self.uploads() == []
        assert self.objects() == [KEY]
        assert self.storage.clear_unfinished(self.now + timedelta(days=9)) == 0
        if isinstance(self.storage, LocalStorage):
            assert not (self.storage.root / ".uploads").exists()

    def must_have_one(self, upload: MultipartUpload, video: Video) -> None:
        """The one video of this upload is whole, pending, and told of once."""
        assert video.id == upload.video_id
        assert video.key == upload.key
        assert (video.id, "pending") in self.videos()
        assert self.storage.get_bytes(video.key) == DATA
        told = [each for each in self.told() if each["videoId"] == video.id]
        assert [each["metadata"]["uploadId"] for each in told] == [upload.upload_id]
        assert read_upload_record(self.storage, video.id).size_bytes == len(DATA)
        below = [key for key in self.objects() if key.startswith(f"videos/{video.id}/") and "/captions/" not in key]
        assert sorted(below) == [upload.key, f"videos/{video.id}/upload.json"]
        assert multipart.find(self.database, upload.upload_id).completed_at is not None


@pytest.fixture(params=["sqlite and a folder", "postgres and a bucket"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(upload_plan, "PART_BYTES", PART)
    if request.param == "sqlite and a folder":
        tables = f"sqlite:///{tmp_path / 'tables.db'}"
        storage = open_storage((tmp_path / "storage").as_uri())
    else:
        tables = request.getfixturevalue("postgres_database")
        url, endpoint = request.getfixturevalue("s3_url"), request.getfixturevalue("s3_endpoint")
        storage = open_storage(url, partial(make_client, S3Options(endpoint_url=endpoint, region="us-east-1")))
    database = Database(tables)
    database.ensure_schema()
    yield House(database, storage, Settings(home=tmp_path / "home", min_free_bytes=0))
    database.dispose()


def test_a_file_in_parts_becomes_a_pending_video_with_all_that_was_said(house: House) -> None:
    noted: list[int] = []

    def note(session: Session, video_id: int) -> None:
        assert session.get(VideoRow, video_id) is not None
        noted.append(video_id)

    new = NewVideo(title="Harbour", description="by night", user_id=3, user_name="Ann")
    upload = house.initiate(new, captions=("talk.vtt", VTT), content_type="video/webm", note=note)
    assert (upload.part_count, upload.part_bytes, upload.expires_at) == (2, PART, house.now + timedelta(hours=24))
    assert house.videos() == [(upload.video_id, "uploading")]
    assert multipart.find(house.database, upload.upload_id) == upload
    second = house.send(upload, 2)
    assert [part.number for part in multipart.parts(upload, storage=house.storage)] == [2]
    first = house.send(upload, 1)
    assert house.told() == []
    video = house.complete(upload.upload_id, [second, first], note=note)
    house.must_have_one(upload, video)
    assert (video.title, video.description, video.user_id, video.user_name) == ("Harbour", "by night", 3, "Ann")
    record = read_upload_record(house.storage, video.id)
    assert (record.title, record.filename, record.content_type) == ("Harbour", "my_talk.mp4", "video/webm")
    assert record.created_at == house.now
    captions = current_captions(house.storage, video.id)
    assert captions is not None
    with house.database.read() as session:
        row = session.get_one(UploadRecordRow, video.id)
        assert (row.bytes, row.captions_sha256) == (len(DATA), captions.sha256)
        metadata = session.get_one(UploadMetadataRow, video.id)
        assert (metadata.upload_id, metadata.size_bytes) == (upload.upload_id, len(DATA))
    assert house.complete(upload.upload_id, [second, first], note=note) == video
    assert house.complete(upload.upload_id, None, now=house.now + timedelta(days=9), note=note) == video
    house.must_have_one(upload, video)
    assert noted == [video.id] * 2  # once for each change
    assert [
        part.bytes for part in multipart.parts(multipart.find(house.database, upload.upload_id), storage=house.storage)
    ] == [
        PART,
        1000,
    ]
    assert house.sweep(hours=25) == []


def test_hashes_are_checked_where_they_were_agreed_on(house: House) -> None:
    upload = house.initiate(hashed=True)
    with pytest.raises(PartRefused, match="SHA-256 is missing"):
        house.send(upload, 1)
    for number in (1, 2):
        data = DATA[(number - 1) * PART : number * PART]
        house.send(upload, number, sha256=hashlib.sha256(data).hexdigest())
    house.must_have_one(upload, house.complete(upload.upload_id))


def test_missing_and_wrong_parts_are_named_and_can_be_sent_then(house: House) -> None:
    upload = house.initiate()
    first = house.send(upload, 1)
    cases: list[tuple[list[tuple[int, str]] | None, tuple[int, ...], tuple[int, ...]]] = [
        (None, (2,), ()),
        ([first], (2,), ()),
        ([], (1, 2), ()),
        ([first, (2, "x")], (2,), ()),
        ([(1, "x")], (2,), (1,)),
        ([first, (3, "x"), (0, "x"), (10**20, "x")], (2,), (0, 3, 10**20)),
    ]
    for named, missing, wrong in cases:
        with pytest.raises(PartsDiffer) as error:
            house.complete(upload.upload_id, named)
        assert (error.value.missing, error.value.wrong) == (missing, wrong)
        assert "\n" not in str(error.value)
    with pytest.raises(PartsDiffer):
        house.complete(upload.upload_id, [first, (10**5000, "x")])
    second = house.send(upload, 2)
    with pytest.raises(PartsDiffer) as error:
        house.complete(upload.upload_id, [first, (2, first[1])])
    assert (error.value.missing, error.value.wrong) == ((), (2,))
    house.must_have_one(upload, house.complete(upload.upload_id, [first, second]))


def test_parts_that_the_file_does_not_have_are_refused_before_they_are_sent(house: House) -> None:
    upload = house.initiate()
    for number, size in ((0, 1), (-1, 1), (3, 1), (10_001, 1), (1, 1000), (1, PART + 1), (2, PART), (2, 0), (2, -1)):
        with pytest.raises(PartRefused) as error:
            multipart.part_address(upload, number, size=size, seconds=9, storage=house.storage, now=house.now)
        assert "\n" not in str(error.value)
        with (
            pytest.raises(PartRefused),
            multipart.open_part(upload, number, size=size, storage=house.storage, now=house.now),
        ):
            pass
    assert list(multipart.parts(upload, storage=house.storage)) == []


@pytest.mark.parametrize("upload_id", ["", "0" * 32, "../..", "a\0b", "x" * 9999, "é" * 32, "\ud800", "A" * 32])
def test_ids_that_nobody_gave_are_said_so(house: House, upload_id: str) -> None:
    house.initiate()
    for call in (lambda: multipart.find(house.database, upload_id), lambda: house.complete(upload_id)):
        with pytest.raises(NoSuchUpload, match=r"^there is no such upload; begin one$"):
            call()
    assert not multipart.abort(upload_id, database=house.database, storage=house.storage)
    assert len(house.videos()) == 1


def test_what_can_never_be_taken_is_refused_before_a_byte_is_sent(house: House) -> None:
    house.settings = house.settings.model_copy(update={"max_upload_bytes": 2 * PART})
    for words in (
        {"size_bytes": 0},
        {"size_bytes": -1},
        {"size_bytes": 2 * PART + 1},
        {"filename": "../"},
        {"filename": "a\nb" * 9999, "size_bytes": 0},
        {"captions": ("a.exe", b"x")},
        {"captions": ("a.vtt", bytes(6 * 2**20))},
    ):
        with pytest.raises(Refused) as error:
            house.initiate(**words)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 400
    house.must_be_empty()
    hostile = house.initiate(filename="../../\x1b[31m\n" + "x" * 10_000 + ".MP4")
    assert hostile.key == f"videos/{hostile.video_id}/source/original.mp4"
    assert hostile.filename.isprintable()


def test_without_room_nothing_is_begun(house: House) -> None:
    house.settings = house.settings.model_copy(update={"min_free_bytes": 2**60})
    with pytest.raises(PermanentError, match="too few to take it"):
        house.initiate()
    house.must_be_empty()


def test_a_quota_counts_what_is_there_and_what_is_under_way(house: House) -> None:
    house.settings = house.settings.model_copy(update={"user_quota_bytes": 2 * len(DATA) + 1})
    ann, ben = NewVideo(user_id=3), NewVideo(user_id=4)
    done = house.sent(new=ann)
    house.complete(done.upload_id)
    going = house.initiate(ann)
    with pytest.raises(OverQuota, match="may have 10,487,761 together"):
        house.initiate(ann, size_bytes=2)
    house.initiate(ann, size_bytes=1)
    house.initiate(ben)
    house.initiate()
    assert house.abort(going)
    house.initiate(ann)


def test_of_uploads_that_begin_at_once_no_more_are_taken_than_fit(house: House) -> None:
    house.settings = house.settings.model_copy(update={"user_quota_bytes": 2 * len(DATA)})
    start, taken = threading.Barrier(5), list[bool]()

    def begin() -> None:
        start.wait()
        try:
            house.initiate(NewVideo(user_id=3))
            taken.append(True)
        except OverQuota:
            taken.append(False)

    together([begin] * 5)
    assert sorted(taken) == [False] * 3 + [True] * 2


def together(calls: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_completed_by_many_at_once_it_is_one_video_that_is_told_of_once(house: House) -> None:
    for _ in range(3):
        upload, start, videos = house.sent(), threading.Barrier(4), list[Video]()
        failures: list[Exception] = []

        def completing(
            upload: MultipartUpload = upload,
            start: threading.Barrier = start,
            videos: list[Video] = videos,
            failures: list[Exception] = failures,
        ) -> None:
            start.wait()
            try:
                videos.append(house.complete(upload.upload_id))
            except Exception as error:
                failures.append(error)

        together([completing] * 4)
        assert failures == []
        assert videos == [videos[0]] * 4
        house.must_have_one(upload, videos[0])


def test_of_completing_and_aborting_at_once_one_wins(house: House) -> None:
    for _ in range(6):
        upload, start, outcome = house.sent(), threading.Barrier(2), dict[str, object]()

        def one(name: str, call: Callable[[], object]) -> None:
            start.wait()  # noqa: B023 - joined in the same round
            try:
                outcome[name] = call()  # noqa: B023
            except (PermanentError, TransientError) as error:
                outcome[name] = error  # noqa: B023

        together(
            [
                partial(one, "complete", partial(house.complete, upload.upload_id)),
                partial(one, "abort", partial(house.abort, upload)),
            ]
        )
        if isinstance(outcome["complete"], Video):
            house.must_have_one(upload, outcome["complete"])
            assert isinstance(outcome["abort"], UploadCompleted)
        else:
            assert outcome["abort"] is True
            assert upload.video_id not in [video_id for video_id, _ in house.videos()]
            house.sweep(hours=25)
            assert not any(key.startswith(f"videos/{upload.video_id}/source/") for key in house.objects())


def test_what_completing_writes_after_an_abort_goes_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for captions in (None, ("talk.vtt", VTT)):
        upload = house.sent(captions=captions)

        def late(storage: Storage, record: UploadRecord, upload: MultipartUpload = upload) -> None:
            assert house.abort(upload)
            storage.put_bytes(upload.key, DATA)  # as a bucket that was just putting the parts together
            put_upload_record(storage, record)

        monkeypatch.setattr(multipart, "put_upload_record", late)
        with pytest.raises(NoSuchUpload):
            house.complete(upload.upload_id)
        house.must_be_empty()


def test_an_aborted_upload_leaves_nothing_and_may_be_aborted_again(house: House) -> None:
    upload = house.sent(captions=("talk.vtt", VTT))
    assert house.abort(upload)
    house.must_be_empty()
    assert not house.abort(upload)
    with pytest.raises(NoSuchUpload):
        house.complete(upload.upload_id)
    with pytest.raises((NoSuchUpload, OSError)):
        house.send(upload, 1)
    done = house.sent()
    video = house.complete(done.upload_id)
    with pytest.raises(UploadCompleted, match=f"it is video {video.id}"):
        house.abort(done)
    house.must_have_one(done, video)
    ended = multipart.find(house.database, done.upload_id)
    with pytest.raises(UploadCompleted):
        house.send(ended, 1)


def test_an_upload_outlives_its_process_and_goes_when_it_has_expired(house: House) -> None:
    """Its claim is of a process that has given it up, as after a restart."""
    young, old, done = house.sent(), house.sent(), house.sent()
    house.complete(done.upload_id)
    assert house.sweep() == []
    assert house.sweep(hours=23.9) == []
    assert list(sweep_unfinished(house.storage, house.settings, house.now + timedelta(hours=23.9))) == []
    house.must_have_one(young, house.complete(young.upload_id, now=house.now + timedelta(hours=23.9)))
    for call in (house.complete, lambda _, **words: house.send(old, 1, **words)):
        with pytest.raises(UploadExpired, match="begin it again"):
            call(old.upload_id, now=house.now + timedelta(hours=24))
    swept = house.sweep(hours=24)
    assert swept == [f"video {old.video_id}: its upload over HTTP was not completed in time and was taken back"]
    assert house.sweep(hours=24) == []
    assert [video_id for video_id, _ in house.videos()] == [young.video_id, done.video_id]
    assert not any(key.startswith(f"videos/{old.video_id}/") for key in house.objects())
    assert house.storage.clear_unfinished(house.now + timedelta(days=9)) == 0


def test_a_video_that_was_deleted_while_its_parts_came_is_told_to_nobody(house: House) -> None:
    upload = house.sent()
    with house.database.write() as session:
        deletion_rows.delete_video(session, upload.video_id, house.now)
    with pytest.raises(NoSuchUpload):
        house.complete(upload.upload_id)
    assert house.told() == []


class Killed(BaseException):
    """The process ends here."""


class Mortal:
    """A process that dies at one of its steps: before it, or after it and before the answer. Each call of storage is a
    step, and each transaction."""

    def __init__(self, house: House, dies_at: int) -> None:
        self.house, self.left, self.dead = house, dies_at, False
        self.storage, self.database = cast(Storage, _Storage(self)), cast(Database, _Database(self))

    def step(self) -> None:
        self.dead = self.dead or self.left == 0
        self.left -= 1
        if self.dead:
            raise Killed


class _Storage:
    def __init__(self, mortal: Mortal) -> None:
        self.mortal = mortal

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.mortal.house.storage, name)

        def call(*args: Any, **words: Any) -> Any:
            self.mortal.step()
            answer = real(*args, **words)
            self.mortal.step()
            return answer

        return call if callable(real) else real


class _Database:
    def __init__(self, mortal: Mortal) -> None:
        self.mortal = mortal
        self.is_sqlite = mortal.house.database.is_sqlite

    @contextmanager
    def read(self) -> Iterator[Session]:
        self.mortal.step()
        with self.mortal.house.database.read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        self.mortal.step()
        with self.mortal.house.database.write() as session:
            yield session
            self.mortal.step()  # nothing is committed
        self.mortal.step()


@pytest.mark.timeout(400)
def test_killed_at_any_step_of_completing_it_is_completed_by_the_next_try(house: House) -> None:
    for dies_at in count():
        upload = house.sent(captions=("talk.vtt", VTT))
        mortal = Mortal(house, dies_at)
        try:
            house.complete(upload.upload_id, database=mortal.database, storage=mortal.storage)
        except Killed:
            assert house.sweep() == []
            assert len(multipart.parts(multipart.find(house.database, upload.upload_id), storage=house.storage)) == 2
        house.must_have_one(upload, house.complete(upload.upload_id))
        if not mortal.dead:
            break
    assert dies_at > 15
    assert len(house.told()) == dies_at + 1


@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", ["initiate", "abort", "sweep"])
def test_killed_at_any_step_of_beginning_or_ending_nothing_is_left_in_the_end(house: House, what: str) -> None:
    for dies_at in count():
        mortal = Mortal(house, dies_at)
        more: dict[str, Any] = {"database": mortal.database, "storage": mortal.storage}
        upload = None if what == "initiate" else house.sent(captions=("talk.vtt", VTT))
        try:
            if upload is None:
                house.initiate(captions=("talk.vtt", VTT), **more)
            elif what == "abort":
                multipart.abort(upload.upload_id, **more)
            else:
                later = house.now + timedelta(hours=25)
                list(sweep_uploads(mortal.database, mortal.storage, house.settings, later))
        except Killed:
            pass
        house.sweep(hours=25)
        list(sweep_unfinished(house.storage, house.settings, house.now + timedelta(hours=25)))
        house.must_be_empty()
        if not mortal.dead:
            break
    assert dies_at > 10
    assert house.told() == []


def test_an_error_while_it_begins_takes_everything_back_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise TransientError("the storage did not answer")

    for place, name in (
        (house.storage, "begin_multipart"),
        (multipart, "put_captions"),
        (multipart_rows, "begun"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, away)
            with pytest.raises(TransientError):
                house.initiate(captions=("talk.vtt", VTT))
        house.must_be_empty()
    assert house.initiate().video_id == 4
