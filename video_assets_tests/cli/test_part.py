"""A part is started again when it dies, with growing pauses, and not for ever; the guard finds whoever is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from video_assets.cli.up import guard, part
from video_assets.cli.up.part import Part
from video_assets.errors import TransientError
from video_assets_tests.e2e.house import wait_for


def made(log: Path, script: str, *, up: bool) -> Part:
    return Part("daemon", ["sh", "-c", script], environment=dict(os.environ), log=log, is_up=lambda _: up)


def heard(one: Part) -> str:
    """The next line it has to say."""
    return wait_for("a word", one.look, 10, pause=0.01)


def running(one: Part) -> bool:
    one.look()
    return one.came_up


def test_one_that_is_killed_is_started_again_and_pauses_grow_while_it_does_not_come_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "PAUSES", (0.05, 0.1, 0.2, 0.3))
    one = made(tmp_path / "log", "kill -9 $$", up=False)
    one.start()
    began = time.monotonic()
    for _ in range(part.TRIES - 1):
        assert heard(one) == "the daemon ended (killed by SIGKILL); it is started again"
    with pytest.raises(TransientError, match=r"the daemon ended \(killed by SIGKILL\), 5 times in a row before it had"):
        heard(one)
    assert time.monotonic() - began >= 0.65
    assert one.restarts == part.TRIES - 1


def test_one_that_ends_by_itself_at_its_start_will_do_the_same_again(tmp_path: Path) -> None:
    one = made(tmp_path / "log", "echo no >&2; exit 3", up=False)
    one.start()
    with pytest.raises(TransientError, match=r"the daemon ended \(exit status 3\) at its start"):
        heard(one)
    assert (tmp_path / "log").read_text() == "no\n"


def test_one_that_came_up_each_time_may_die_as_often_as_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "PAUSES", (0.01,))
    one = made(tmp_path / "log", "exec sleep 600", up=True)
    one.start()
    for number in range(2 * part.TRIES):
        wait_for("it to run", lambda: running(one), 10, pause=0.01)
        assert one.pid is not None
        os.kill(one.pid, signal.SIGTERM)
        assert "killed by SIGTERM" in heard(one)
        assert one.restarts == number
    one.tell(signal.SIGKILL)
    wait_for("it to have ended", one.ended, 10)
    assert one.look() is None


def test_the_dying_are_looked_through_without_a_word(tmp_path: Path) -> None:
    """Processes that end while they are read: what libraries make of them differs from kernel to kernel."""
    churn = subprocess.Popen(
        ["sh", "-c", "while :; do (:) & (sleep 0.001) & wait; done"], start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert churn.pid in guard.members({churn.pid})
    finally:
        assert guard.kill({churn.pid}) == []
        churn.wait()


def ignores(pid: int, number: signal.Signals) -> bool:
    (mask,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigIgn" in line]
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_the_guard_kills_what_it_was_told_of_once_the_pipe_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "file").touch()
    script = "trap '' TERM INT HUP; (trap '' TERM; sleep 600) & wait"
    kept, ended = (subprocess.Popen(["sh", "-c", script], start_new_session=True) for _ in range(2))
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    assert watch.stdin is not None
    watch.stdin.write(f"+{kept.pid}\n+{ended.pid}\n-{kept.pid}\n".encode())
    watch.stdin.flush()
    wait_for("their children", lambda: len(guard.members({kept.pid, ended.pid})) >= 4, 10)
    wait_for("the guard to have begun", lambda: ignores(watch.pid, signal.SIGHUP), 10, pause=0.02)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        watch.send_signal(number)
    watch.stdin.close()
    assert watch.wait(timeout=10) == 0
    assert ended.wait(timeout=10) == -signal.SIGKILL
    assert guard.members({ended.pid}) == []
    assert len(guard.members({kept.pid})) >= 2
    assert not folder.exists()
    guard.kill({kept.pid})
    kept.wait()
