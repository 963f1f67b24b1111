"""What only a folder can get wrong with parts: broken-off writers, slow ones, copies, memory, remains."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from video_assets.errors import TransientError
from video_assets.storage import Full, NotFound, Part, PartRefused, PartsDiffer, files
from video_assets.storage.local import LocalStorage

KEY = "v/1/film.mp4"
PART = 1000


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "storage")


def begin(storage: LocalStorage, part_bytes: int = PART) -> str:
    return storage.begin_multipart(KEY, content_type="video/mp4", part_bytes=part_bytes)


def send(storage: LocalStorage, upload: str, number: int, data: bytes) -> Part:
    with storage.open_part(KEY, upload, number, len(data)) as writer:
        writer.write(data)
        return writer.finish()


def folder(storage: LocalStorage, upload: str) -> Path:
    return storage.root / ".uploads" / upload


def test_the_bytes_are_moved_and_not_copied(storage: LocalStorage) -> None:
    upload = begin(storage)
    parts = [send(storage, upload, n, bytes([n]) * PART) for n in (2, 1)]
    inode = (folder(storage, upload) / "data").stat().st_ino
    storage.complete_multipart(KEY, upload, parts)
    assert (storage.root / KEY).stat().st_ino == inode
    assert [path.name for path in storage.root.iterdir()] == ["v"]


def test_a_part_that_breaks_off_leaves_nothing_or_what_was_there(storage: LocalStorage) -> None:
    upload = begin(storage)

    def breaks_off() -> None:
        with storage.open_part(KEY, upload, 1, PART) as writer:
            writer.write(b"x" * 10)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        breaks_off()
    assert storage.parts(KEY, upload) == []
    assert sorted(path.name for path in folder(storage, upload).iterdir()) == ["about.json", "data", "lock"]
    send(storage, upload, 1, b"y" * PART)
    with pytest.raises(ConnectionError):
        breaks_off()
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == b"y" * PART


def test_who_finishes_first_stays_and_a_slower_one_is_told(storage: LocalStorage) -> None:
    upload = begin(storage)
    with storage.open_part(KEY, upload, 1, PART) as slow:
        slow.write(b"x" * 10)
        part = send(storage, upload, 1, b"y" * PART)
        with pytest.raises(PartRefused, match="sent by another request"):
            slow.write(b"x" * 10)
    assert storage.parts(KEY, upload) == [part]
    storage.complete_multipart(KEY, upload, [part])
    assert storage.get_bytes(KEY) == b"y" * PART


def test_an_object_is_not_changed_by_a_writer_that_was_still_writing(storage: LocalStorage) -> None:
    upload = begin(storage)
    part = send(storage, upload, 1, b"y" * PART)
    with storage.open_part(KEY, upload, 1, PART) as again, storage.open_part(KEY, upload, 2, PART) as more:
        again.write(b"x" * PART)
        more.write(b"x" * 10)
        storage.complete_multipart(KEY, upload, [part])
        for writer in (again, more):
            with pytest.raises(NotFound):
                writer.write(b"") if writer is again else writer.write(b"x")
        with pytest.raises(NotFound):
            again.finish()
    assert storage.get_bytes(KEY) == b"y" * PART
    assert not (storage.root / ".uploads").exists()


def test_parts_that_are_not_named_are_cut_off(storage: LocalStorage) -> None:
    upload = begin(storage)
    parts = [send(storage, upload, n, bytes([n]) * PART) for n in (1, 2, 3)]
    storage.complete_multipart(KEY, upload, parts[:1])
    assert storage.get_bytes(KEY) == b"\1" * PART


def test_parts_that_would_leave_holes_are_refused(storage: LocalStorage) -> None:
    upload = begin(storage)
    parts = [send(storage, upload, n, b"x" * 10) for n in (1, 2)]
    with pytest.raises(PartsDiffer, match="wrong: 1"):
        storage.complete_multipart(KEY, upload, parts)


WRITER = """
import sys, time
from pathlib import Path
from video_assets.storage.local import LocalStorage
root, key, upload, number = sys.argv[1:]
with LocalStorage(Path(root)).open_part(key, upload, int(number), 1000) as writer:
    writer.write(b"z" * 500)
    print("writing", flush=True)
    time.sleep(600)
"""


def test_a_part_whose_writer_was_killed_is_sent_again_at_once(storage: LocalStorage) -> None:
    upload = begin(storage)
    send(storage, upload, 2, b"b" * PART)
    for number in (1, 2):
        words = [sys.executable, "-c", WRITER, str(storage.root), KEY, upload, str(number)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"writing\n"
            child.send_signal(signal.SIGKILL)
    assert [part.number for part in storage.parts(KEY, upload)] == [2]
    send(storage, upload, 1, b"a" * PART)
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == b"a" * PART + b"b" * PART
    assert not (storage.root / ".uploads").exists()


def test_completing_that_breaks_down_before_the_move_can_be_repeated(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begin(storage)
    parts = [send(storage, upload, n, bytes([n]) * PART) for n in (1, 2)]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(Full, match="the disk is full"):
            storage.complete_multipart(KEY, upload, parts)
    assert storage.stat(KEY) is None
    assert storage.parts(KEY, upload) == parts
    storage.complete_multipart(KEY, upload, parts)
    assert storage.get_bytes(KEY) == b"\1" * PART + b"\2" * PART


def test_a_full_disk_is_said_in_a_line_and_the_part_is_not_there(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begin(storage)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, storage.open_part(KEY, upload, 1, PART) as writer:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(Full, match="the disk is full"):
            writer.write(b"x" * PART)
    assert storage.parts(KEY, upload) == []


@pytest.mark.parametrize("again", [False, True])
def test_what_the_disk_spoils_is_found_at_once(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    upload = begin(storage)
    if again:
        send(storage, upload, 1, b"y" * PART)
    real = os.fsync

    def spoiled(descriptor: int) -> None:
        real(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name == "data":
            path.write_bytes(b"?" * PART)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", spoiled)
        with pytest.raises(TransientError, match="is not what was written"):
            send(storage, upload, 1, b"x" * PART)
    assert storage.parts(KEY, upload) == []
    send(storage, upload, 1, b"x" * PART)
    storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
    assert storage.get_bytes(KEY) == b"x" * PART


def test_a_part_is_on_the_disk_before_its_record(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begin(storage)
    done: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        real(descriptor)
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    monkeypatch.setattr(os, "fsync", noted)
    send(storage, upload, 1, b"x" * PART)
    assert done == ["data", "1.json.new", upload]


def test_remains_of_interrupted_beginnings_and_ends_go(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    going, ended, half = begin(storage), begin(storage), begin(storage)
    part = send(storage, going, 1, b"x")
    (folder(storage, ended) / "about.json").unlink()
    (folder(storage, half) / "data").unlink()
    assert storage.clear_abandoned() == 0  # one that is just being made looks like that
    monkeypatch.setattr(files, "STILL_SECONDS", 0)
    assert storage.clear_abandoned() == 2
    assert storage.parts(KEY, going) == [part]
    assert storage.clear_unfinished(datetime.now(timezone.utc) + timedelta(days=1)) == 1
    assert list(storage.root.iterdir()) == []


def test_a_quarter_of_a_gigabyte_goes_through_little_memory(storage: LocalStorage) -> None:
    part_bytes, chunk, digest = 16 * 2**20, bytes(range(256)) * 1024, hashlib.sha256()
    upload = begin(storage, part_bytes)
    tracemalloc.start()
    try:
        for number in range(1, 17):
            with storage.open_part(KEY, upload, number, part_bytes) as writer:
                for _ in range(part_bytes // len(chunk)):
                    writer.write(chunk)
                writer.finish()
        storage.complete_multipart(KEY, upload, storage.parts(KEY, upload))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20
    with (storage.root / KEY).open("rb") as file:
        while data := file.read(2**20):
            digest.update(data)
    expected = hashlib.sha256()
    for _ in range(16 * part_bytes // len(chunk)):
        expected.update(chunk)
    assert digest.digest() == expected.digest()


def test_the_last_of_ten_thousand_parts_takes_no_more_room_than_itself(storage: LocalStorage) -> None:
    upload = begin(storage, 16 * 2**20)
    send(storage, upload, 10_000, b"end")
    data = (folder(storage, upload) / "data").stat()
    assert data.st_size == 9_999 * 16 * 2**20 + 3
    assert data.st_blocks * 512 < 2**20
