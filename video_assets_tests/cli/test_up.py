"""`up` outlives its parts, and its parts do not outlive it. Real processes, killed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import termios
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from video_assets.cli.up import guard
from video_assets.cli.up.alone import alone, who
from video_assets.cli.up.services import free_port
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.cli.conftest import say
from video_assets_tests.cli.upped import CLI, STARTED, Up, upped
from video_assets_tests.e2e.conftest import house_settings
from video_assets_tests.e2e.house import ffmpeg_processes, wait_for
from video_assets_tests.e2e.videos import add_video, wait_until
from video_assets_tests.media.clips import make_clip

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PARTS = {"code server", "webserver", "daemon", "web"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of an empty HOME, which the command in this process has too."""
    made = house_settings(tmp_path / "home", ladder="720,480,360,240")
    for name, value in made.environment({}).items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes longer to encode than a test needs to break something."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return make_clip(path, seconds=45, size=(1280, 720), gop_seconds=20, audio=False, captions="WEBVTT\n")


def finding(name: str = "up") -> tuple[bool, str]:
    """What `doctor` says of one thing."""
    found = {each["name"]: each for each in say("doctor", "--json").json["findings"]}
    return found[name]["ok"], found[name]["found"]


def test_what_is_killed_is_started_again_and_goes_on_with_its_work(settings: Settings, clip: Path) -> None:
    with upped(settings) as running:
        ok, found = finding()
        assert ok, found
        assert found.startswith(f"process {running.process.pid} at {running.address}, every part answers")
        before = running.pids()
        assert set(before) == PARTS
        for pid in before.values():
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

        def again() -> bool:
            now = running.pids()
            return None not in now.values() and not set(now.values()) & set(before.values())

        wait_for("the parts to be started again", again, 30)
        for name in PARTS:
            wait_for("it to be said", partial(tells, running, f"the {name} ended (killed by SIGKILL)"), 5)
        shutil.copy(clip, settings.inbox_folder / "herons.mp4")
        systems = Systems(settings)
        wait_until(systems, 1, "ready", 120)

        ok, found = finding()
        assert ok, found
        assert "had to be started again: code server 1, webserver 1, daemon 1" in found
        assert running.process.poll() is None
        systems.close()


def said(running: Up) -> str:
    return running.said.read_text()


def tells(running: Up, line: str) -> bool:
    return line in said(running)


def test_doctor_names_the_part_that_is_dead_or_does_not_answer(settings: Settings) -> None:
    with upped(settings) as running:
        pids = running.pids()
        running.process.send_signal(signal.SIGSTOP)  # so that it starts nothing again
        try:
            os.kill(pids["webserver"] or 0, signal.SIGSTOP)
            ok, found = finding()
            assert not ok
            assert f"process {running.process.pid} runs, but its webserver does not answer within 5 s" in found
            os.kill(pids["webserver"] or 0, signal.SIGCONT)

            os.kill(pids["code server"] or 0, signal.SIGSTOP)
            ok, found = finding()
            assert not ok
            assert "its code server does not answer within 5 s" in found

            for name in ("code server", "daemon"):
                os.kill(pids[name] or 0, signal.SIGKILL)
            ok, found = finding()
            assert not ok
            assert "its code server is dead and its daemon is dead; stop it (Ctrl-C) and start it again" in found
        finally:
            running.process.send_signal(signal.SIGCONT)


def test_the_folder_of_one_that_was_killed_with_its_guard_is_removed_by_the_next(tmp_path: Path) -> None:
    folder, other = tmp_path / "video-assets-x", tmp_path / "precious"
    for each, removed in ((folder, True), (other, False)):
        each.mkdir()
        (tmp_path / "up.lock").write_text(json.dumps({"pid": 1, "socket": str(each / "code")}))
        with alone(tmp_path, port=None) as mine:
            mine.clear_up()
            assert each.exists() is not removed


def test_a_second_one_is_refused_and_told_of_the_first(settings: Settings) -> None:
    assert finding() == (True, "none runs here (`video-assets up` starts it)")
    with upped(settings, ready=False) as running:
        wait_for("the lock", lambda: (who(settings.home) or {}).get("pid"), 20)
        ok, found = finding()
        assert ok
        assert f"process {running.process.pid} is starting" in found
        second = say("up", "--port", "1")
        assert second.code == 1
        assert second.err.startswith(
            f"video-assets: {settings.home} is in use by another video-assets up "
            f"(process {running.process.pid} at {running.address}, since "
        )
        assert second.err.endswith("); stop it, or set VIDEO_ASSETS_HOME\n")


def test_killed_in_the_middle_of_an_encode_it_leaves_nothing_and_the_next_one_may_start(
    settings: Settings, long_clip: Path
) -> None:
    with upped(settings) as running:
        systems = Systems(settings)
        add_video(systems, long_clip)
        wait_for("the encoder", lambda: ffmpeg_processes(str(settings.work_folder)), 90)
        (first,) = guards(running)
        first.kill()
        wait_for("another guard", lambda: guards(running) not in ([], [first]), 10)
        family = running.family()
        folder = Path((who(settings.home) or {})["socket"]).parent
        running.process.kill()
        running.process.wait()
        assert psutil.wait_procs(family, timeout=10)[1] == [], "something is left running"
        assert ffmpeg_processes(str(settings.home)) == []
        with alone(settings.home, port=None):
            assert not folder.exists()
        systems.close()


@pytest.mark.slow
def test_nor_do_runs_go_on_whose_code_server_had_died_before(settings: Settings, long_clip: Path) -> None:
    with upped(settings) as running:
        systems = Systems(settings)
        add_video(systems, long_clip)
        wait_for("the encoder", lambda: ffmpeg_processes(str(settings.work_folder)), 90)
        first = running.pids()["code server"]
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for("another code server", lambda: running.pids()["code server"] not in (None, first), 20)
        # The run is nobody's child now, and what it has made is not lost.
        assert guard.members({first})
        assert ffmpeg_processes(str(settings.work_folder))
        running.process.kill()
        running.process.wait()
        with alone(settings.home, port=None):
            assert guard.members({first}) == []
        systems.close()


def guards(running: Up) -> list[psutil.Process]:
    return [each for each in running.family() if any("guard.py" in word for word in command(each))]


def command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def test_a_closed_terminal_ends_all_of_it_in_order(settings: Settings) -> None:
    terminal, end = pty.openpty()

    def with_a_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    up = subprocess.Popen(
        [*CLI, "up", "--port", str(free_port())],
        stdin=end,
        stdout=end,
        stderr=end,
        preexec_fn=with_a_terminal,
        env=settings.environment() | {"PYTHONUNBUFFERED": "1"},
    )
    os.close(end)
    try:
        shown = b""
        deadline = time.monotonic() + 120
        while STARTED.encode() not in shown:
            assert time.monotonic() < deadline, shown
            shown += os.read(terminal, 65536)
        family = psutil.Process(up.pid).children(recursive=True)
        assert len(family) >= 4
        os.close(terminal)
        assert up.wait(timeout=40) == 0
        assert psutil.wait_procs(family, timeout=5)[1] == [], "something is left running"
        assert who(settings.home) is None
        assert not (settings.home / "logs" / "command.log").exists(), "an unexpected error"
    finally:
        if up.poll() is None:
            up.kill()
            up.wait()


def test_it_ends_with_words_where_a_part_cannot_come_up(settings: Settings) -> None:
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("nonsense: 1\n")
    with upped(settings, ready=False) as running:
        assert running.process.wait(timeout=120) == 1
        last = said(running).splitlines()[-1]
    assert last.startswith("video-assets: the ")
    assert "ended (exit status 1)" in last
    assert "Traceback" not in said(running)
    assert who(settings.home) is None


def test_home_and_what_lies_in_it_are_its_owner_s_alone(settings: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "inbox"
    settings.home.mkdir(mode=0o755)
    (settings.home / "dagster").mkdir(mode=0o755)
    old = settings.home / "dagster" / "old.db"
    old.touch(0o644)
    with upped(settings.model_copy(update={"inbox": str(outside)})):
        open_to_others = [
            path
            for path in [settings.home, *settings.home.rglob("*")]
            if not path.is_symlink() and path.is_file() and path.stat().st_mode & 0o077
        ]
        assert open_to_others == []
        assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
        assert stat.S_IMODE(outside.stat().st_mode) == 0o755
