"""What only the local folder can get wrong: links, killed writers, full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from video_assets.errors import PermanentError, TransientError
from video_assets.storage import Full, files, open_storage
from video_assets.storage.local import LocalStorage

WRITER = """
import sys
from pathlib import Path
from video_assets.storage.local import LocalStorage
storage = LocalStorage(Path(sys.argv[1]))
for number in range(10**9):
    storage.put_bytes(f"o/{number % 7}", bytes([65 + number % 26]) * 2_000_000)
    if number == 0:
        print("writing", flush=True)
"""


def all_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_killed_writer_leaves_no_half_object(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer.stdout as stdout:
            stdout.readline()
        time.sleep(0.05)  # anywhere in the middle of its writing
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=10)
        for stat in storage.list(""):
            assert stat.bytes == 2_000_000
            assert len(set(storage.get_bytes(stat.key))) == 1


def test_a_symbolic_link_is_stored_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    storage = LocalStorage(tmp_path / "storage")
    storage.put_file("o", tmp_path / "link")
    assert not (tmp_path / "storage" / "o").is_symlink()
    (tmp_path / "target").unlink()
    assert storage.get_bytes("o") == b"bytes"


def test_putting_the_same_file_again_leaves_no_second_name(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "storage")
    (tmp_path / "file").write_bytes(b"bytes")
    for _ in range(3):
        storage.put_file("o", tmp_path / "file")
    assert all_files(tmp_path / "storage") == [tmp_path / "storage" / "o"]


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    storage = LocalStorage(tmp_path / "storage")
    (tmp_path / "file").write_bytes(b"bytes")
    storage.put_file("o", tmp_path / "file")
    assert storage.get_bytes("o") == b"bytes"


def test_a_failed_write_says_why_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    storage = LocalStorage(tmp_path / "storage")
    storage.put_bytes("o", b"old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Full, match="the disk is full: storage cannot keep o; free some space there"):
        storage.put_bytes("o", b"new")
    monkeypatch.undo()
    assert storage.get_bytes("o") == b"old"
    assert all_files(tmp_path / "storage") == [tmp_path / "storage" / "o"]


def test_what_says_what_is_current_is_on_the_disk_before_its_name_and_its_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        real_sync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        done.append("bytes" if path.is_file() else f"names in {path.relative_to(tmp_path).as_posix()}")

    def replace(source: Path, target: Path) -> None:
        assert source.stat().st_size > 0
        real_replace(source, target)
        done.append("moved")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    storage = LocalStorage(tmp_path)
    storage.put_if("v/1/pointer", b"x", None)
    assert done[:3] == ["bytes", "moved", "names in v/1"]
    assert set(done[3:]) == {"names in v", "names in ."}
    done.clear()
    storage.put_bytes("v/1/manifest", b"x")
    assert done == ["bytes", "moved", "names in v/1"]


def test_an_object_cannot_lie_below_another(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put_bytes("a", b"x")
    with pytest.raises(PermanentError, match="storage cannot keep a/b"):
        storage.put_bytes("a/b", b"x")


def test_empty_folders_go_and_the_root_stays(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "storage")
    storage.put_bytes("v/1/a", b"x")
    storage.delete("v/1/a")
    assert list((tmp_path / "storage").iterdir()) == []


def test_a_folder_with_a_blank_and_a_percent_sign_works_by_url(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20ü"
    open_storage(folder.as_uri()).put_bytes("o", b"x")
    assert (folder / "o").read_bytes() == b"x"


@pytest.mark.parametrize("url", ["s4://bucket", "nonsense", "", "file://server/share", "file:relative"])
def test_a_url_that_names_no_storage_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_STORAGE_URL") as error:
        open_storage(url)
    assert "\n" not in str(error.value)


def test_an_open_file_is_on_the_disk_before_its_name_and_compared_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"film" * 1000)
    storage = LocalStorage(tmp_path / "storage")
    storage.put_bytes("v/1/before", b"x")
    real = os.fsync

    def spoiled(descriptor: int) -> None:
        real(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(os, "fsync", spoiled)
    with (tmp_path / "file").open("rb") as file, pytest.raises(TransientError, match="is not what was written"):
        storage.put_open("v/1/film", file)
    monkeypatch.undo()
    assert all_files(tmp_path / "storage") == [tmp_path / "storage" / "v" / "1" / "before"]


HALF = """
import os, sys
from pathlib import Path
from video_assets.storage.local import LocalStorage
reading, writing = os.pipe()
os.write(writing, b"half of it")
class Slow:
    def seek(self, _): pass
    def read(self, _):
        print("copying", flush=True)
        return os.read(reading, 100)
LocalStorage(Path(sys.argv[1])).put_open("v/1/source/film", Slow())
"""


def test_what_a_dead_writer_left_goes_at_once_and_what_a_living_one_writes_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "STILL_SECONDS", 0)
    storage = LocalStorage(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", HALF, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    with writer.stdout as stdout:
        for _ in range(2):  # the second reading waits for ever
            stdout.readline()
        assert len(all_files(tmp_path)) == 1
        assert storage.clear_abandoned() == 0
        assert storage.clear_unfinished(datetime.now(timezone.utc) + timedelta(days=1)) == 0
        writer.kill()
        writer.wait(timeout=10)
    assert storage.clear_abandoned() == 1
    assert list(tmp_path.iterdir()) == []
