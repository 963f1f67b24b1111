"""The inbox folder among people who drop what they like: half-written files, odd names, links, long copies."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from video_assets.artifacts.captions import current_captions
from video_assets.defs.sensors import inbox as sensor
from video_assets.errors import TransientError
from video_assets.intake import inbox as inboxes
from video_assets.intake.drops import Seen, cursor_of, look, seen_before
from video_assets.intake.uploads import take_in
from video_assets.settings import Settings
from video_assets.storage import Stored, local
from video_assets.systems import Systems
from video_assets_tests.defs.test_inbox import CAPTIONS, Ticks, stored, videos

FILM = b"film " * 100_000


@pytest.fixture
def systems(settings: Settings) -> Systems:
    settings.inbox_folder.mkdir(parents=True)
    return Systems(settings.model_copy(update={"inbox_settle_seconds": 0}))


@pytest.fixture
def inbox(systems: Systems) -> Path:
    return systems.settings.inbox_folder


@pytest.fixture
def tick(systems: Systems) -> Ticks:
    return Ticks(systems)


def titles(systems: Systems) -> list[str]:
    return sorted(video.title for video in videos(systems))


def left(inbox: Path) -> list[bytes]:
    return sorted(os.listdir(os.fsencode(inbox)))


@pytest.fixture(params=["by lease", "by /proc"])
def _found_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by /proc":
        real: Callable[..., Any] = fcntl.fcntl

        def no_leases(descriptor: int, command: int, *more: Any) -> Any:
            if command == fcntl.F_SETLEASE:
                raise OSError(errno.EINVAL, "no leases here")
            return real(descriptor, command, *more)

        monkeypatch.setattr(fcntl, "fcntl", no_leases)


@pytest.mark.usefixtures("_found_out")
def test_what_somebody_has_open_for_writing_is_not_taken_however_long_he_pauses(
    systems: Systems, inbox: Path, tick: Ticks
) -> None:
    with (inbox / "talk.mp4").open("wb", buffering=0) as writer:
        writer.write(FILM[:1000])
        said = [tick() for _ in range(3)]
        assert "talk.mp4 is still open for writing" in said[-1]
        assert videos(systems) == []
        writer.write(FILM[1000:])
    tick()
    tick()
    (video,) = videos(systems)
    assert systems.storage.get_bytes(video.key) == FILM
    assert left(inbox) == []


@pytest.mark.usefixtures("_found_out")
def test_captions_that_are_still_written_hold_their_video_back(systems: Systems, inbox: Path, tick: Ticks) -> None:
    (inbox / "talk.mp4").write_bytes(FILM)
    with (inbox / "talk.vtt").open("wb", buffering=0) as writer:
        writer.write(CAPTIONS[:8])
        assert "talk.vtt is still open for writing" in tick() + tick()
        writer.write(CAPTIONS[8:])
    tick()
    tick()
    (video,) = videos(systems)
    captions = current_captions(systems.storage, video.id)
    assert captions is not None
    assert systems.storage.get_bytes(captions.key) == CAPTIONS


def during_the_copy(monkeypatch: pytest.MonkeyPatch, systems: Systems, act: Callable[[], object]) -> None:
    """Does something once, when the first bytes were read."""
    real, done = local._read, list[bool]()

    def reading(file: Any) -> bytes:
        chunk = real(file)
        if not done:
            done.append(True)
            act()
        return chunk

    monkeypatch.setattr(local, "_read", reading)


@pytest.mark.parametrize("keeps_open", [True, False])
def test_what_is_written_to_while_it_is_copied_is_taken_back_and_taken_whole_later(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch, keeps_open: bool
) -> None:
    path, writers = inbox / "talk.mp4", []
    path.write_bytes(FILM)

    def write_on() -> None:
        writer = path.open("ab", buffering=0)
        writers.append(writer)
        if not keeps_open:
            writer.write(FILM)
            writer.close()

    during_the_copy(monkeypatch, systems, write_on)
    said = tick()
    assert "talk.mp4 has to wait" in said
    assert videos(systems) == []
    assert stored(systems) == set()
    assert path.exists()
    if keeps_open:
        writers[0].write(FILM)
        writers[0].close()
    while path.exists():
        tick()
    (video,) = videos(systems)
    assert systems.storage.get_bytes(video.key) == FILM * 2


def test_what_is_moved_onto_the_name_while_it_is_copied_stays(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "talk.mp4").write_bytes(FILM)
    (inbox / ".new").write_bytes(b"another")
    during_the_copy(monkeypatch, systems, lambda: os.replace(inbox / ".new", inbox / "talk.mp4"))
    tick()
    assert (inbox / "talk.mp4").exists()
    while (inbox / "talk.mp4").exists():
        tick()
    assert systems.storage.get_bytes(videos(systems)[-1].key) == b"another"


def test_one_file_does_not_stop_the_others(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [b"\xff\xfe odd.mp4", b"b talk.mp4", "z \u00fc.mp4".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(inbox), name), "wb") as file:
            file.write(FILM)
    (inbox / "\udcff odd.vtt").write_bytes(CAPTIONS)
    (inbox / "\udcff\udcfe odd.vtt").write_bytes(CAPTIONS)
    (inbox / "a closed.mp4").write_bytes(FILM)
    (inbox / "a folder.mp4").mkdir()
    os.mkfifo(inbox / "a pipe.mp4")
    (inbox / "a dangling link.mp4").symlink_to("/nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inbox / "a socket.mp4"))
    real = os.open

    def closed(path: Any, flags: int, *more: Any, **words: Any) -> int:
        if Path(os.fsdecode(path)).name == "a closed.mp4":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *more, **words)

    monkeypatch.setattr(os, "open", closed)
    said = tick() + tick()
    assert "a closed.mp4 has to wait: a closed.mp4 cannot be read: Permission denied" in said
    assert titles(systems) == ["b talk", "odd", "z \u00fc"]
    odd = next(video for video in videos(systems) if video.title == "odd")
    assert current_captions(systems.storage, odd.id) is not None
    assert tick.cursor is not None
    assert tick.cursor.isascii()
    monkeypatch.undo()
    tick()
    assert "a closed" in titles(systems)
    assert left(inbox) == [
        b"a dangling link.mp4",
        b"a folder.mp4",
        b"a pipe.mp4",
        b"a socket.mp4",
        b"\xff odd.vtt",
    ]


def test_many_files_that_have_to_wait_do_not_stop_those_behind_them(systems: Systems, inbox: Path, tick: Ticks) -> None:
    writers = []
    for number in range(sensor.TAKEN_PER_TICK + 2):
        writers.append((inbox / f"a {number}.mp4").open("wb", buffering=0))
        writers[-1].write(FILM[:10])
    (inbox / "z.mp4").write_bytes(FILM)
    tick()
    assert titles(systems) == ["z"]
    for writer in writers:
        writer.close()


def test_one_that_fails_in_a_way_nobody_expected_does_not_stop_the_others(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        (inbox / name).write_bytes(FILM)

    def odd(path: Path, *given: Any, **more: Any) -> Any:
        if path.name == "a.mp4":
            raise RuntimeError("two\nlines")
        return take_in(path, *given, **more)

    monkeypatch.setattr(inboxes, "take_in", odd)
    assert "a.mp4 has to wait: unexpected RuntimeError: two lines" in tick()
    assert titles(systems) == ["b"]


def test_a_storage_that_fails_for_one_does_not_keep_the_others_waiting_for_ever(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.mp4").write_bytes(b"bad block")
    real = local._read_back

    def spoiled(path: Path) -> Stored:
        found = real(path)
        return Stored(found.bytes, "another") if path.read_bytes() == b"bad block" else found

    monkeypatch.setattr(local, "_read_back", spoiled)
    with pytest.raises(TransientError, match="not what was written"):
        tick()
    (inbox / "b.mp4").write_bytes(FILM)
    with pytest.raises(TransientError):
        tick()
    assert titles(systems) == ["b"]
    assert left(inbox) == [b"a.mp4"]


@pytest.mark.parametrize("where", ["refused", "taken"])
def test_an_inbox_that_nobody_may_write_to_is_no_obstacle(
    systems: Systems, inbox: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def read_only(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *words: Any, **more: Any) -> Any:
            if Path(path).parent == inbox:
                raise OSError(errno.EROFS, "Read-only file system")
            return real(path, *words, **more)

        return call

    small = Systems(systems.settings.model_copy(update={"max_upload_bytes": 10}))
    tick = Ticks(small if where == "refused" else systems)
    for name in ("a.mp4", "b.mp4"):
        (inbox / name).write_bytes(FILM)
    monkeypatch.setattr(os, "replace", read_only(os.replace))
    monkeypatch.setattr(Path, "unlink", read_only(Path.unlink))
    said = [tick() for _ in range(3)]
    assert said[0].count("Read-only file system") == 2
    assert said[2] == "2 files waiting to stop growing"
    assert titles(tick.systems) == ([] if where == "refused" else ["a", "b"])


@pytest.mark.parametrize("name", ["talk.mp4", "talk.vtt"])
def test_a_link_swapped_in_after_the_look_reads_nothing_outside(
    systems: Systems, inbox: Path, tick: Ticks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"nobody's business")
    (inbox / "talk.mp4").write_bytes(FILM)
    (inbox / "talk.vtt").write_bytes(CAPTIONS)

    def swap(*words: Any) -> dict[str, Seen]:
        seen = look(*words)
        (inbox / name).unlink()
        (inbox / name).symlink_to(secret)
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(inboxes, "look", swap)
        assert "was taken away or replaced" in tick()
    assert stored(systems) == set()
    assert secret.read_bytes() == b"nobody's business"
    tick()
    assert all(b"nobody" not in systems.storage.get_bytes(stat.key) for stat in systems.storage.list(""))


def test_a_link_named_refused_has_nothing_written_elsewhere(systems: Systems, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (inbox / "refused").symlink_to(tmp_path / "elsewhere")
    (inbox / "long.mp4").write_bytes(FILM)
    said = Ticks(Systems(systems.settings.model_copy(update={"max_upload_bytes": 10})))()
    assert "it cannot be set aside: refused is a link" in said
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_long_copy_is_waited_for_by_no_tick_and_begun_once(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor, "PATIENCE_SECONDS", 0.2)
    go_on, begun = threading.Event(), []

    def slowly() -> None:
        begun.append(True)
        assert go_on.wait(60)

    during_the_copy(monkeypatch, systems, slowly)
    (inbox / "a long one.mp4").write_bytes(FILM)
    before = time.monotonic()
    said = [tick() for _ in range(3)]
    assert time.monotonic() - before < 20
    assert all("a long one.mp4 is being taken in, for " in each for each in said)
    other = Ticks(Systems(systems.settings))
    assert "another process takes a file in" in other()
    assert begun == [True]
    assert [video.status for video in videos(systems)] == ["uploading"]
    go_on.set()
    deadline = time.monotonic() + 60
    while "a long one.mp4 is video 1" not in tick():
        assert time.monotonic() < deadline
    assert [video.status for video in videos(systems)] == ["pending"]
    assert stored(systems) == {"1"}
    assert left(inbox) == []


def test_a_disk_that_runs_full_is_told_and_the_drop_is_taken_when_there_is_room(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == len(FILM):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    (inbox / "long.mp4").write_bytes(FILM)
    (inbox / "short.mp4").write_bytes(b"short")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        said = tick()
        assert "long.mp4 has to wait: the disk is full: storage cannot keep" in said
        assert titles(systems) == ["short"]
    assert (inbox / "long.mp4").read_bytes() == FILM
    assert stored(systems) == {str(videos(systems)[0].id)}
    assert not any(path.name.startswith(".tmp-") for path in systems.settings.home.rglob("*"))
    tick()
    assert titles(systems) == ["long", "short"]


def test_the_room_that_counts_is_the_storages(
    systems: Systems, inbox: Path, tick: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "talk.mp4").write_bytes(FILM)
    with monkeypatch.context() as patched:
        patched.setattr(systems.storage, "free_bytes", lambda: 1000)
        assert "talk.mp4 has to wait: talk.mp4: the disk has 1,000 bytes free in storage" in tick()
    full = shutil.disk_usage(inbox)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    monkeypatch.setattr(systems.storage, "free_bytes", lambda: 2**40)
    tick()
    assert titles(systems) == ["talk"]


def test_a_cursor_holds_any_name_and_one_of_the_release_before_is_read() -> None:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    seen = {name: Seen(name, 3, 4, now, "v", True) for name in ("\udcff.mp4", "\u00fc\U0001f600\n.mp4")}
    assert seen_before(cursor_of(seen)) == seen
    assert cursor_of(seen).isascii()
    before = (
        '{"a.mp4":{"name":"a.mp4","bytes":3,"modified_ns":4,"since":"2026-01-02T00:00:00Z","version":"v","left":false}}'
    )
    assert seen_before(before) == {"a.mp4": Seen("a.mp4", 3, 4, now, "v")}
    for broken in (None, "", "nonsense", "[]", '{"a": 1}', '{"a": {"since": "x"}}'):
        assert seen_before(broken) == {}
