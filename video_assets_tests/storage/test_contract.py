"""What every storage promises; the suite is run over each backend."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from video_assets.errors import PermanentError, TransientError
from video_assets.storage import Conflict, NotFound, Part, Storage

pytestmark = pytest.mark.parametrize("backend", ["local", "s3"])
Opened = Callable[[], Storage]


def keys(storage: Storage, prefix: str = "") -> list[str]:
    return [stat.key for stat in storage.list(prefix)]


def test_what_was_put_is_read_back_byte_for_byte(storage: Storage, tmp_path: Path) -> None:
    data = bytes(range(256)) * 500
    (tmp_path / "file.bin").write_bytes(data)
    storage.put_bytes("a/small.bin", data)
    storage.put_file("a/file.bin", tmp_path / "file.bin", content_type="video/mp4")
    for key in ("a/small.bin", "a/file.bin"):
        assert storage.get_bytes(key) == data
        stat = storage.stat(key)
        assert stat is not None
        assert (stat.key, stat.bytes) == (key, len(data))
        assert storage.fetch(key, tmp_path).read_bytes() == data


def test_an_open_file_is_stored_whatever_its_name_leads_to_by_then(storage: Storage, tmp_path: Path) -> None:
    data = bytes(range(256)) * 100_000  # in several parts
    (tmp_path / "file").write_bytes(data)
    with (tmp_path / "file").open("rb") as file:
        file.read(10)
        (tmp_path / "file").unlink()
        (tmp_path / "file").write_bytes(b"another")
        stored = storage.put_open("a/film", file, content_type="video/mp4")
    assert (stored.bytes, stored.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert storage.get_bytes("a/film") == data
    assert keys(storage) == ["a/film"]


def test_folders_are_told_without_what_is_in_them(storage: Storage) -> None:
    for key in ("v/1/a", "v/1/b/c", "v/12/a", "v/x y/a", "v/file", "w/3/a"):
        storage.put_bytes(key, b"x")
    assert sorted(storage.folders("v/")) == ["1", "12", "x y"]
    assert list(storage.folders("nothing/")) == []


def test_room_is_told_where_it_can_be(storage: Storage, backend: str) -> None:
    free = storage.free_bytes()
    assert free is None if backend == "s3" else free is not None and free > 0


def test_a_second_put_replaces_the_first(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    storage.put_bytes("a", b"one")
    storage.put_bytes("a", b"two")
    assert storage.get_bytes("a") == b"two"
    file.write_bytes(b"three")
    storage.put_file("a", file)
    storage.put_file("a", file)
    assert storage.get_bytes("a") == b"three"
    assert keys(storage) == ["a"]


def test_what_is_not_there_is_said_so(storage: Storage, tmp_path: Path) -> None:
    storage.put_bytes("folder/object", b"x")
    for key in ("nothing", "folder", "folder/object/below"):
        with pytest.raises(NotFound):
            storage.get_bytes(key)
        with pytest.raises(NotFound):
            storage.get_with_etag(key)
        with pytest.raises(NotFound):
            storage.fetch(key, tmp_path)
        assert storage.stat(key) is None
        storage.delete(key)
    assert keys(storage) == ["folder/object"]


def test_a_prefix_may_end_within_a_name_and_keys_come_in_order(storage: Storage) -> None:
    for key in ("v/10/b", "v/1/b", "v/1/a/z", "v/1/a-b", "v/1/a.b", "w", "v/2"):
        storage.put_bytes(key, b"x")
    # As text: "-" and "." stand before "/", which folders sorted one by one would get wrong.
    assert keys(storage, "v/1") == ["v/1/a-b", "v/1/a.b", "v/1/a/z", "v/1/b", "v/10/b"]
    assert keys(storage, "v/1/") == ["v/1/a-b", "v/1/a.b", "v/1/a/z", "v/1/b"]
    assert keys(storage, "v/1/a/") == ["v/1/a/z"]
    assert keys(storage, "nothing/here") == []
    assert keys(storage) == sorted(["v/10/b", "v/1/b", "v/1/a/z", "v/1/a-b", "v/1/a.b", "w", "v/2"])


def test_conditional_writing_leaves_nothing_else_in_the_listing(storage: Storage) -> None:
    storage.put_if("pointer", b"x", None)
    assert keys(storage) == ["pointer"]


def test_delete_removes_what_it_names_and_nothing_else(storage: Storage) -> None:
    for key in ("v/1/a", "v/1/b/c", "v/10/a"):
        storage.put_bytes(key, b"x")
    storage.delete("v/1/a")
    storage.delete("v/1/a")
    assert keys(storage) == ["v/1/b/c", "v/10/a"]
    assert storage.delete_prefix("v/1/") == 1
    assert storage.delete_prefix("v/1/") == 0
    assert keys(storage) == ["v/10/a"]


def test_put_if_wants_the_etag_it_was_shown(storage: Storage) -> None:
    first = storage.put_if("p", b"1", None)
    assert storage.get_with_etag("p") == (b"1", first)
    with pytest.raises(Conflict):
        storage.put_if("p", b"2", None)
    with pytest.raises(Conflict):
        storage.put_if("p", b"2", "another")
    second = storage.put_if("p", b"2", first)
    assert storage.get_with_etag("p") == (b"2", second)
    with pytest.raises(Conflict):
        storage.put_if("p", b"3", first)
    storage.delete("p")
    with pytest.raises(Conflict):
        storage.put_if("p", b"3", second)
    storage.put_if("p", b"3", None)
    assert storage.get_bytes("p") == b"3"


def test_one_of_twelve_threads_wins_every_round(storage: Storage) -> None:
    etag: str | None = None
    for round_number in range(10):
        won: list[tuple[int, str]] = []
        start = threading.Barrier(12)

        def race(
            number: int,
            start: threading.Barrier = start,
            etag: str | None = etag,
            won: list[tuple[int, str]] = won,
            round_number: int = round_number,
        ) -> None:
            start.wait()
            try:
                won.append((number, storage.put_if("p", f"{round_number}/{number}".encode(), etag)))
            except Conflict:
                return

        threads = [threading.Thread(target=race, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        number, etag = won[0]
        assert storage.get_with_etag("p") == (f"{round_number}/{number}".encode(), etag)


def count_up(opened: Opened, times: int) -> None:
    """Adds one to a counter `times` times, by read and conditional write."""
    storage = opened()
    for _ in range(times):
        while True:
            data, etag = storage.get_with_etag("counter")
            try:
                storage.put_if("counter", str(int(data) + 1).encode(), etag)
                break
            except Conflict:
                continue


def test_six_processes_lose_no_update(storage: Storage, opened: Opened) -> None:
    storage.put_if("counter", b"0", None)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=count_up, args=(opened, 10)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * 6
    assert storage.get_bytes("counter") == b"60"


def test_readers_see_one_writing_or_the_other_never_a_mixture(storage: Storage) -> None:
    def content(letter: int) -> bytes:
        return bytes([65 + letter]) * 300_000

    storage.put_bytes("o", content(0))
    done = threading.Event()

    def write() -> None:
        for number in range(60):
            storage.put_bytes("o", content(number % 26))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        seen = storage.get_bytes("o")
        assert len(seen) == 300_000
        assert len(set(seen)) == 1
    writer.join()


def test_writers_are_not_disturbed_by_deletes_next_door(storage: Storage, backend: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    failures: list[BaseException] = []

    def again(call: Callable[[], object]) -> None:
        for _ in range(5):
            try:
                call()
                return
            except TransientError:  # S3 over a folder finds the place taken by a folder that is just going
                assert backend == "s3"
        raise AssertionError("refused again and again")

    def put_and_delete(name: str) -> None:
        try:
            for number in range(60 if backend == "local" else 30):
                again(partial(storage.put_bytes, f"v/1/{name}/{number}", b"x"))
                again(lambda: storage.put_file(f"v/1/{name}/file", file))
                storage.delete_prefix(f"v/1/{name}/")
                list(storage.list("v/"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=put_and_delete, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert keys(storage) == []


HOSTILE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../up",
    "a/../../up",
    "a/..",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "a\0b",
    ".hidden",
    "a/.tmp-1",
    ".locks/00",
]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_keys_that_lead_elsewhere_are_refused_by_every_call(storage: Storage, tmp_path: Path, key: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for call in (
        lambda: storage.put_bytes(key, b"x"),
        lambda: storage.put_file(key, file),
        lambda: storage.put_if(key, b"x", None),
        lambda: storage.get_bytes(key),
        lambda: storage.fetch(key, tmp_path),
        lambda: storage.stat(key),
        lambda: storage.delete(key),
        lambda: storage.begin_multipart(key, content_type="video/mp4", part_bytes=5),
        lambda: storage.part_url(key, "0" * 32, 1, size=1, seconds=1),
        lambda: storage.parts(key, "0" * 32),
        lambda: storage.complete_multipart(key, "0" * 32, [Part(1, 1, "x")]),
        lambda: storage.abort_multipart(key, "0" * 32),
    ):
        with pytest.raises(PermanentError, match="is no storage key") as error:
            call()
        assert "\n" not in str(error.value)
    assert keys(storage) == []


@given(key=st.text(alphabet=st.sampled_from("ab./\\~ %é\0"), max_size=12))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_key_writes_outside_of_its_storage(
    key: str, backend: str, opened: Opened, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage = opened()
    storage.delete_prefix("")
    try:
        storage.put_bytes(key, b"x")
    except PermanentError:
        assert keys(storage) == []
    else:
        assert keys(storage) == [key]
        assert storage.get_bytes(key) == b"x"
    if backend == "local":
        assert {path.name for path in tmp_path.iterdir()} <= {"storage"}
    else:
        client, bucket = request.getfixturevalue("s3_client"), request.getfixturevalue("s3_bucket")
        found = client.list_objects_v2(Bucket=bucket).get("Contents", ())
        assert all(each["Key"].startswith("some/prefix/") for each in found)


def test_what_a_dead_writer_left_is_cleared_and_nothing_else(
    storage: Storage, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage.put_bytes("v/1/whole", b"x")
    begun = datetime.now(timezone.utc)
    if backend == "local":
        (tmp_path / "storage/v/1/.tmp-0").write_bytes(b"half")
    else:
        client, bucket = request.getfixturevalue("s3_client"), request.getfixturevalue("s3_bucket")
        client.create_multipart_upload(Bucket=bucket, Key="some/prefix/v/1/half")
        client.create_multipart_upload(Bucket=bucket, Key="somebody/else")
    assert storage.clear_unfinished(begun - timedelta(minutes=1)) == 0
    assert storage.clear_unfinished(begun + timedelta(minutes=1), "v/2/") == 0
    assert storage.clear_unfinished(begun + timedelta(minutes=1), "v/1/") == 1
    assert storage.clear_unfinished(begun + timedelta(minutes=1)) == 0
    assert keys(storage) == ["v/1/whole"]
