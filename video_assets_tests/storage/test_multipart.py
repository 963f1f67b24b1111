"""What every storage promises of objects that come in parts; the suite is run over each backend."""

from __future__ import annotations

import hashlib
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from video_assets.errors import PermanentError
from video_assets.storage import NotFound, Part, PartRefused, PartsDiffer, Storage
from video_assets.storage.multipart import MAX_PARTS, check_parts

both = pytest.mark.parametrize("backend", ["local", "s3"])
PART = 5 * 2**20
"""S3 takes no smaller parts, but for the last one."""
KEY = "v/1/source/film.mp4"
CHUNK = 2**20


def content(size: int, seed: bytes = b"seed") -> bytes:
    """Bytes that differ everywhere, so that a part in a wrong place shows."""
    return hashlib.shake_128(seed).digest(size)


def begin(storage: Storage, key: str = KEY, *, hashed: bool = False) -> str:
    return storage.begin_multipart(key, content_type="video/mp4", part_bytes=PART, hashed=hashed)


def send(
    storage: Storage, upload: str, number: int, data: bytes, *, size: int | None = None, sha256: str | None = None
) -> Part:
    """Sends a part as a client does: to its address, or through the site. `size`: what was said of it."""
    size = len(data) if size is None else size
    address = storage.part_url(KEY, upload, number, size=size, seconds=60, sha256=sha256)
    if address is None:
        with storage.open_part(KEY, upload, number, size, sha256=sha256) as writer:
            for start in range(0, len(data), CHUNK):
                writer.write(data[start : start + CHUNK])
            return writer.finish()
    request = urllib.request.Request(address.url, data=data, method="PUT", headers=dict(address.headers))
    with urllib.request.urlopen(request, timeout=30) as answer:
        return Part(number, len(data), answer.headers["ETag"].strip('"'))


def refused(storage: Storage, upload: str, number: int, data: bytes, **words: object) -> None:
    with pytest.raises((PermanentError, NotFound, urllib.error.URLError)):  # a server may close before it has read all
        send(storage, upload, number, data, **words)  # type: ignore[arg-type]


def all_keys(storage: Storage) -> list[str]:
    return [stat.key for stat in storage.list("")]


@both
def test_parts_in_any_order_become_one_object_and_nothing_is_seen_before(storage: Storage) -> None:
    data = content(2 * PART + 1234)
    upload = begin(storage)
    assert list(storage.parts(KEY, upload)) == []
    sent = [send(storage, upload, n, data[(n - 1) * PART : n * PART]) for n in (3, 1, 2)]
    parts = storage.parts(KEY, upload)
    assert list(parts) == sorted(sent, key=lambda part: part.number)
    assert [(part.number, part.bytes) for part in parts] == [(1, PART), (2, PART), (3, 1234)]
    assert all_keys(storage) == []
    assert list(storage.folders("v/")) == []
    assert storage.stat(KEY) is None
    assert storage.delete_prefix("") == 0
    storage.complete_multipart(KEY, upload, sent)
    assert storage.get_bytes(KEY) == data
    assert all_keys(storage) == [KEY]
    for _ in range(2):
        for over in (
            lambda: storage.parts(KEY, upload),
            lambda: storage.complete_multipart(KEY, upload, parts),
            lambda: send(storage, upload, 1, b"late"),
        ):
            with pytest.raises((NotFound, urllib.error.HTTPError)):
                over()
        storage.abort_multipart(KEY, upload)
    assert storage.get_bytes(KEY) == data


@both
def test_an_object_of_one_small_part_replaces_what_was_there(storage: Storage) -> None:
    storage.put_bytes(KEY, b"before")
    upload = begin(storage)
    part = send(storage, upload, 1, b"film")
    assert storage.get_bytes(KEY) == b"before"
    storage.complete_multipart(KEY, upload, [part])
    assert storage.get_bytes(KEY) == b"film"


@both
def test_a_part_that_is_sent_again_replaces_the_first(storage: Storage) -> None:
    first, second = content(PART), content(PART, b"another")
    upload = begin(storage)
    send(storage, upload, 2, b"end")
    before = send(storage, upload, 1, first)
    assert send(storage, upload, 1, first) == before
    after = send(storage, upload, 1, second)
    assert [part.number for part in storage.parts(KEY, upload)] == [1, 2]
    assert storage.parts(KEY, upload)[0] == after != before
    with pytest.raises(PartsDiffer) as error:
        storage.complete_multipart(KEY, upload, [before, storage.parts(KEY, upload)[1]])
    assert (error.value.missing, error.value.wrong) == ((), (1,))
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == second + b"end"


@both
def test_two_senders_of_one_part_leave_one_whole_part(storage: Storage) -> None:
    upload = begin(storage)
    versions = [content(PART, bytes([number])) for number in range(3)]
    start, failures = threading.Barrier(3), list[BaseException]()

    def sending(data: bytes) -> None:
        start.wait()
        try:
            send(storage, upload, 1, data)
        except PartRefused:  # another was faster
            return
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=sending, args=(data,)) for data in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (part,) = storage.parts(KEY, upload)
    storage.complete_multipart(KEY, upload, [part])
    assert storage.get_bytes(KEY) in versions


@both
def test_parts_that_are_missing_or_others_are_named_and_nothing_changes(storage: Storage) -> None:
    data = content(3 * PART)
    upload = begin(storage)
    one, two, three = (send(storage, upload, n, data[(n - 1) * PART : n * PART]) for n in (1, 2, 3))
    for wanted, missing, wrong in (
        ([], (1,), ()),
        ([one, three], (2,), ()),
        ([one, two, three, Part(5, PART, "x")], (4, 5), ()),
        ([one, Part(2, PART, three.etag), three], (), (2,)),
        ([one, Part(2, PART - 1, two.etag), three], (), (2,)),
        ([one, one, two], (), (1,)),
        ([Part(0, 1, "x"), one], (), (0,)),
        ([one, two, Part(MAX_PARTS + 1, PART, "x")], (), (MAX_PARTS + 1,)),
    ):
        with pytest.raises(PartsDiffer) as error:
            storage.complete_multipart(KEY, upload, wanted)
        assert error.value.missing == missing
        assert set(wrong) <= set(error.value.wrong)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 300
        assert storage.stat(KEY) is None
    storage.complete_multipart(KEY, upload, [three, two, one])
    assert storage.get_bytes(KEY) == data


@both
def test_only_the_last_part_may_be_smaller(storage: Storage) -> None:
    upload = begin(storage)
    parts = [send(storage, upload, 1, content(PART)), send(storage, upload, 2, b"end"), send(storage, upload, 3, b"x")]
    with pytest.raises(PartsDiffer, match="wrong: 2") as error:
        storage.complete_multipart(KEY, upload, parts)
    assert error.value.wrong == (2,)
    storage.complete_multipart(KEY, upload, parts[:2])
    assert storage.get_bytes(KEY) == content(PART) + b"end"


@both
def test_a_part_of_another_size_than_was_said_is_not_kept(storage: Storage) -> None:
    upload = begin(storage)
    refused(storage, upload, 1, b"film and more", size=4)
    refused(storage, upload, 1, b"fil", size=4)
    assert list(storage.parts(KEY, upload)) == []
    send(storage, upload, 1, b"film")
    refused(storage, upload, 1, b"fil", size=4)
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == b"film"


@both
def test_with_hashes_no_part_arrives_altered(storage: Storage) -> None:
    upload, data = begin(storage, hashed=True), content(PART)
    sha256 = hashlib.sha256(data).hexdigest()
    refused(storage, upload, 1, data[:-1] + bytes([data[-1] ^ 1]), sha256=sha256)
    for wrong in ("", "no hash", sha256[:-1]):
        refused(storage, upload, 1, data, sha256=wrong)
    with pytest.raises(PartRefused, match="SHA-256 is missing"):
        send(storage, upload, 1, data)
    assert list(storage.parts(KEY, upload)) == []
    send(storage, upload, 1, data, sha256=sha256)
    send(storage, upload, 2, b"end", sha256=hashlib.sha256(b"end").hexdigest())
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == data + b"end"
    with pytest.raises(PartRefused, match="was not agreed on"):
        send(storage, begin(storage), 1, data, sha256=sha256)


@both
def test_an_aborted_upload_is_over(storage: Storage) -> None:
    upload = begin(storage)
    part = send(storage, upload, 1, b"film")
    for _ in range(2):
        storage.abort_multipart(KEY, upload)
        with pytest.raises(NotFound):
            storage.parts(KEY, upload)
        with pytest.raises(NotFound):
            storage.complete_multipart(KEY, upload, [part])
        refused(storage, upload, 1, b"film")
    assert all_keys(storage) == []


@both
def test_numbers_and_sizes_that_no_part_has_are_refused(storage: Storage) -> None:
    upload = begin(storage)
    for number, size in ((0, 1), (-1, 1), (MAX_PARTS + 1, 1), (10**5000, 1), (1, 0), (1, -1)):
        with pytest.raises(PartRefused) as error:
            send(storage, upload, number, b"", size=size)
        assert "\n" not in str(error.value)
    with pytest.raises(PartRefused):
        storage.begin_multipart(KEY, content_type="video/mp4", part_bytes=0)
    send(storage, upload, MAX_PARTS, b"the very last one")
    assert [part.number for part in storage.parts(KEY, upload)] == [MAX_PARTS]


HOSTILE_IDS = ["", ".", "..", "../..", "../../v", "a/b", "/etc", "a\0b", "é", "0" * 32, "x" * 5000, "a\nb", "a b"]


@both
@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_ids_that_nobody_gave_lead_nowhere(storage: Storage, hostile: str, tmp_path: Path) -> None:
    upload = begin(storage)
    storage.put_bytes("v/2", b"x")
    with pytest.raises(NotFound):
        storage.parts(KEY, hostile)
    with pytest.raises(NotFound):
        storage.complete_multipart(KEY, hostile, [Part(1, 1, "x")])
    storage.abort_multipart(KEY, hostile)
    refused(storage, hostile, 1, b"x")
    assert list(storage.parts(KEY, upload)) == []
    assert all_keys(storage) == ["v/2"]
    assert {path.name for path in tmp_path.iterdir()} <= {"storage"}


@both
def test_an_upload_is_of_one_key(storage: Storage) -> None:
    upload = begin(storage)
    part = send(storage, upload, 1, b"film")
    with pytest.raises(NotFound):
        storage.parts("v/2", upload)
    with pytest.raises(NotFound):
        storage.complete_multipart("v/2", upload, [part])
    storage.abort_multipart("v/2", upload)
    assert list(storage.parts(KEY, upload)) == [part]


@both
def test_old_uploads_are_cleared_and_young_ones_go_on(storage: Storage) -> None:
    now = datetime.now(timezone.utc)
    upload = begin(storage)
    send(storage, upload, 1, b"film")
    assert storage.clear_abandoned() == 0
    assert storage.clear_unfinished(now - timedelta(minutes=1)) == 0
    assert storage.clear_unfinished(now + timedelta(minutes=1), "v/2/") == 0
    assert len(storage.parts(KEY, upload)) == 1
    assert storage.clear_unfinished(now + timedelta(minutes=1), "v/1/") == 1
    assert storage.clear_unfinished(now + timedelta(minutes=1)) == 0
    with pytest.raises(NotFound):
        storage.parts(KEY, upload)


@pytest.mark.parametrize("sizes", [(1,), (5,), (5, 5), (5, 5, 1)])
def test_parts_that_make_an_object_come_in_order(sizes: Sequence[int]) -> None:
    parts = [Part(number, size, str(number)) for number, size in enumerate(sizes, 1)]
    assert check_parts(parts[::-1], parts) == parts
    assert check_parts(parts, [*parts, Part(9, 5, "more")]) == parts
