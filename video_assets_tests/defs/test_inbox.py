"""The inbox sensor over a folder and over a bucket prefix: each drop becomes one video, whatever happens."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select

from video_assets.artifacts.captions import current_captions
from video_assets.database.models import VideoRow
from video_assets.defs.sensors.inbox import build_inbox_sensor
from video_assets.errors import TransientError
from video_assets.intake import inbox
from video_assets.settings import Settings
from video_assets.systems import Systems

CAPTIONS = b"WEBVTT\n\n00:00.200 --> 00:01.800\nThe herons wait.\n"


class Drops(Protocol):
    """An inbox as somebody sees it who drops files into it."""

    def put(self, name: str, data: bytes) -> None: ...
    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...


class Folder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)

    def names(self) -> list[str]:
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file())

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


class Prefix:
    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"in box/{name}", Body=data)

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix="in box/").get("Contents", ())
        return [each["Key"].removeprefix("in box/") for each in found]

    def read(self, name: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=f"in box/{name}")["Body"].read()
        return data


@pytest.fixture(params=["folder to folder", "bucket to bucket"])
def setting(request: pytest.FixtureRequest, settings: Settings) -> tuple[Settings, Drops]:
    changes: dict[str, Any] = {"inbox_settle_seconds": 0}
    if request.param == "folder to folder":
        return settings.model_copy(update=changes), Folder(settings.inbox_folder)
    bucket: str = request.getfixturevalue("s3_bucket")
    changes |= {
        "s3_endpoint_url": request.getfixturevalue("s3_endpoint"),
        "inbox": f"s3://{bucket}/in%20box/",
    }
    if request.param == "bucket to bucket":
        changes["storage_url"] = request.getfixturevalue("s3_url")
    return settings.model_copy(update=changes), Prefix(request.getfixturevalue("s3_client"), bucket)


@pytest.fixture
def drops(setting: tuple[Settings, Drops]) -> Drops:
    return setting[1]


@pytest.fixture
def systems(setting: tuple[Settings, Drops]) -> Systems:
    return Systems(setting[0])


class Ticks:
    """A sensor's life: each tick has the cursor of the one before."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems
        self.cursor: str | None = None

    def __call__(self) -> str:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self.cursor)
            result = build_inbox_sensor(self.systems)(context)
            self.cursor = context.cursor
        assert isinstance(result, dg.SkipReason)
        return result.skip_message or ""


@pytest.fixture
def tick(systems: Systems) -> Ticks:
    return Ticks(systems)


def videos(systems: Systems) -> list[VideoRow]:
    with systems.database.read() as session:
        return list(session.scalars(select(VideoRow).order_by(VideoRow.id)))


def stored(systems: Systems) -> set[str]:
    """The videos that storage holds anything of."""
    return {stat.key.split("/")[1] for stat in systems.storage.list("videos/")}


@pytest.mark.parametrize("setting", ["folder to folder", "bucket to bucket", "bucket to folder"], indirect=True)
def test_a_drop_becomes_a_video_with_the_captions_beside_it(systems: Systems, drops: Drops, tick: Ticks) -> None:
    drops.put("a talk.mp4", b"video bytes")
    drops.put("a talk.vtt", CAPTIONS)
    drops.put("half.mp4.part", b"half")
    drops.put("deeper/other.mp4", b"not a drop")
    tick()
    tick()
    (video,) = videos(systems)
    assert (video.title, video.status) == ("a talk", "pending")
    assert systems.storage.get_bytes(video.key) == b"video bytes"
    captions = current_captions(systems.storage, video.id)
    assert captions is not None
    assert systems.storage.get_bytes(captions.key) == CAPTIONS
    assert drops.names() == ["deeper/other.mp4", "half.mp4.part"]


def test_a_link_among_the_drops_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    """Neither as a video nor as captions: what it points to is not the dropper's to read."""
    systems = Systems(settings.model_copy(update={"inbox_settle_seconds": 0}))
    secret = tmp_path / "elsewhere" / "secret.vtt"
    secret.parent.mkdir()
    secret.write_bytes(CAPTIONS)
    Folder(settings.inbox_folder).put("talk.mp4", b"film")
    for name in ("talk.vtt", "linked.mp4"):
        (settings.inbox_folder / name).symlink_to(secret)
    tick = Ticks(systems)
    tick()
    tick()
    (video,) = videos(systems)
    assert video.title == "talk"
    assert current_captions(systems.storage, video.id) is None
    assert secret.exists()


def test_a_process_killed_before_it_clears_up_does_not_take_it_twice(
    systems: Systems, drops: Drops, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    drops.put("talk.mp4", b"video bytes")
    with monkeypatch.context() as patched:
        if isinstance(drops, Folder):
            patched.setattr(inbox, "remove_file", kill)
        else:
            patched.setattr("video_assets.intake.bucket.BucketInbox.remove", kill)
        with pytest.raises(Killed):
            for _ in range(2):
                tick()
    assert drops.names() == ["talk.mp4"]
    assert "was taken in before" in "".join(tick() for _ in range(2))
    assert len(videos(systems)) == 1
    assert drops.names() == []


def test_two_daemons_at_once_make_one_video_of_a_drop(
    systems: Systems, drops: Drops, setting: tuple[Settings, Drops], monkeypatch: pytest.MonkeyPatch
) -> None:
    drops.put("talk.mp4", b"video bytes")
    both, asked = threading.Barrier(2, timeout=30), set()
    real = inbox._was_taken

    def first_time_together(systems: Systems, message: str) -> bool:
        answer = real(systems, message)
        if threading.get_ident() not in asked:
            asked.add(threading.get_ident())
            both.wait()
        return answer

    monkeypatch.setattr(inbox, "_was_taken", first_time_together)
    daemons = [Ticks(systems), Ticks(Systems(setting[0]))]
    for daemon in daemons:
        assert daemon.systems.database
    threads = [threading.Thread(target=lambda one=one: [one() for _ in range(2)]) for one in daemons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(asked) == 2
    (video,) = videos(systems)
    assert stored(systems) == {str(video.id)}
    assert drops.names() == []


def test_the_same_bytes_dropped_again_are_another_video(systems: Systems, drops: Drops, tick: Ticks) -> None:
    for expected in (1, 2):
        drops.put("talk.mp4", b"video bytes")
        if isinstance(drops, Folder):  # even where its times are those of the first
            os.utime(drops.folder / "talk.mp4", (1_700_000_000, 1_700_000_000))
        tick()
        tick()
        assert len(videos(systems)) == expected
        wait_for_the_next_second(drops)


def wait_for_the_next_second(drops: Drops) -> None:
    """S3 tells the time to the second: within one, the same bytes are the same drop."""
    if isinstance(drops, Prefix):
        drops.put("clock", b"x")
        first = drops.client.head_object(Bucket=drops.bucket, Key="in box/clock")["LastModified"]
        while drops.client.head_object(Bucket=drops.bucket, Key="in box/clock")["LastModified"] == first:
            drops.put("clock", b"x")
        drops.client.delete_object(Bucket=drops.bucket, Key="in box/clock")


def test_what_is_refused_is_set_aside_with_the_reason(setting: tuple[Settings, Drops], drops: Drops) -> None:
    systems = Systems(setting[0].model_copy(update={"max_upload_bytes": 10}))
    tick = Ticks(systems)
    drops.put("long.mp4", b"video bytes")
    said = tick() + tick()
    assert "refused long.mp4: long.mp4 has 11 bytes; at most 10 are taken" in said
    assert drops.names() == ["refused/long.mp4", "refused/long.mp4.reason.txt"]
    assert b"at most 10" in drops.read("refused/long.mp4.reason.txt")
    assert videos(systems) == []
    assert stored(systems) == set()


def test_trouble_that_is_not_the_files_leaves_it_where_it_is(setting: tuple[Settings, Drops], drops: Drops) -> None:
    full = Systems(setting[0].model_copy(update={"min_free_bytes": 2**60}))
    tick = Ticks(full)
    drops.put("talk.mp4", b"video bytes")
    assert "talk.mp4 has to wait: talk.mp4: the disk has" in tick() + tick()
    assert drops.names() == ["talk.mp4"]
    assert videos(full) == []


def test_a_storage_that_breaks_off_leaves_nothing_and_the_next_tick_goes_on(
    systems: Systems, drops: Drops, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise TransientError("the storage did not answer")

    drops.put("talk.mp4", b"video bytes")
    with monkeypatch.context() as patched:
        patched.setattr("video_assets.intake.uploads.put_upload_record", away)
        with pytest.raises(TransientError):
            for _ in range(2):
                tick()
    assert videos(systems) == []
    assert stored(systems) == set()
    tick()
    tick()
    assert len(videos(systems)) == 1


def test_a_lost_answer_to_the_commit_loses_neither_drop_nor_files(
    systems: Systems, drops: Drops, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was committed, its answer lost, and the database stays away for a while."""

    def gone(*_: Any, **__: Any) -> None:
        raise TransientError("the database did not answer")

    drops.put("talk.mp4", b"video bytes")
    with monkeypatch.context() as patched:
        patched.setattr("video_assets.intake.uploads.replace", gone)  # the first thing after the commit
        patched.setattr("video_assets.intake.uploads.take_back", gone)
        with pytest.raises(TransientError):
            for _ in range(2):
                tick()
    (video,) = videos(systems)
    assert systems.storage.get_bytes(video.key) == b"video bytes"
    tick()
    tick()
    assert [row.id for row in videos(systems)] == [video.id]
    assert drops.names() == []


def test_an_inbox_that_is_not_ours_to_clear_is_taken_in_once(
    systems: Systems, drops: Drops, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_delete(systems, drops, monkeypatch)
    drops.put("talk.mp4", b"video bytes")
    said = [tick() for _ in range(4)]
    assert "cannot be removed from the inbox" in "".join(said)
    assert len(videos(systems)) == 1
    assert said[-1] == "1 files waiting to stop growing"  # nobody asks for it again and again


def refuse_to_delete(systems: Systems, drops: Drops, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> None:
        if isinstance(drops, Folder):
            raise PermissionError(13, "Permission denied")
        answer: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "DeleteObject")

    if isinstance(drops, Folder):
        monkeypatch.setattr(inbox, "remove_file", denied)
    else:
        monkeypatch.setattr(systems.client_of_s3, "delete_object", denied)


def test_a_newer_file_under_the_name_is_not_thrown_away_with_the_one_taken(
    systems: Systems, drops: Drops, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops.put("talk.mp4", b"the first")

    def replaced_in_the_act(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **more: Any) -> Any:
            done = real(*words, **more)
            if isinstance(drops, Folder):  # as a download tool does it: written beside, then moved there
                drops.put(".new", b"the second, longer")
                os.replace(drops.folder / ".new", drops.folder / "talk.mp4")
            else:
                drops.put("talk.mp4", b"the second, longer")
            return done

        return call

    name = "take_in" if isinstance(drops, Folder) else "take_arrival"
    with monkeypatch.context() as patched:
        patched.setattr(inbox, name, replaced_in_the_act(getattr(inbox, name)))
        while not videos(systems):
            tick()
    assert drops.read("talk.mp4") == b"the second, longer"
    tick()
    tick()
    assert [systems.storage.get_bytes(video.key) for video in videos(systems)] == [
        b"the first",
        b"the second, longer",
    ]
