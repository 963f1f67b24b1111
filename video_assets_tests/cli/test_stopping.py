"""Ctrl-C leaves nothing running and nothing half-made. The real command in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from video_assets.cli.up.services import port_in_use
from video_assets_tests.cli.conftest import Said, say
from video_assets_tests.media.clips import make_clip

CLI = [sys.executable, "-m", "video_assets.cli"]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes longer to encode than anybody needs to press Ctrl-C."""
    clip = tmp_path_factory.mktemp("clips") / "long.mp4"
    # Key frames too far apart to copy, so that every rung is encoded.
    return make_clip(clip, seconds=45, size=(1280, 720), gop_seconds=20, audio=False, captions="WEBVTT\n")


@pytest.fixture(autouse=True)
def _rungs_that_take_their_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_LADDER", "720,480,360,240")


def test_ctrl_c_in_the_middle_of_an_encode(home: Path, long_clip: Path) -> None:
    command = subprocess.Popen(
        [*CLI, "process", str(long_clip), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    encoder = _until(lambda: _encoder_below(command), 120, "the encoder")
    family = psutil.Process(command.pid).children(recursive=True)
    assert encoder in family
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert psutil.wait_procs(family, timeout=10)[1] == [], "something is left running"

    (video,) = Said(130, out, err).json["videos"]
    assert (video["id"], video["status"], video["status_message"]) == (1, "failed", "canceled")
    assert err.splitlines()[-1] == (
        "video-assets: interrupted; `video-assets process --video 1` goes on where it stopped"
    )
    story = say("status", "1", "--json").json
    assert [attempt["state"] for attempt in story["attempts"]] == ["canceled"]
    assert list(story["artifacts"]) == ["uploads"]
    made = {path.parent.name for path in (home / "storage" / "videos" / "1" / "variants").rglob("*") if path.is_file()}
    assert made == set(), "half-made rungs are in storage"
    assert list((home / "work").rglob("*")) == [], "the work folder was not cleared"


def test_after_kill_9_nothing_runs_on_and_the_video_can_be_gone_on_with(
    home: Path, clip: Path, long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_HEARTBEAT_SECONDS", "1")
    monkeypatch.setenv("VIDEO_ASSETS_WORKER_LOST_SECONDS", "600")
    command = subprocess.Popen([*CLI, "process", str(long_clip)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    encoder = _until(lambda: _encoder_below(command), 120, "the encoder")
    assert isinstance(encoder, psutil.Process)
    command.kill()
    command.wait(timeout=10)
    assert psutil.wait_procs([encoder], timeout=10)[1] == [], "FFmpeg outlived the command"

    refused = say("process", "--video", "1").out
    assert "video 1 is being worked on by run" in refused, "a silent run is not dead before its time"
    monkeypatch.setenv("VIDEO_ASSETS_WORKER_LOST_SECONDS", "4")
    monkeypatch.setenv("VIDEO_ASSETS_LADDER", "240")
    _until(lambda: say("process", "--video", "1").code == 0, 60, "the end of it")
    story = say("status", "1", "--json").json
    assert (story["status"], [attempt["state"] for attempt in story["attempts"]]) == ("ready", ["failed", "succeeded"])
    assert story["attempts"][0]["error_kind"] == "worker_lost"
    assert [event["topic"] for event in story["events"]].count("video.ready") == 1
    assert story["artifacts"]["uploads"]["run_id"] == story["attempts"][0]["run_id"], "what was finished is reused"


def test_a_run_that_is_cancelled_from_elsewhere_stops(home: Path, long_clip: Path) -> None:
    command = subprocess.Popen(
        [*CLI, "process", str(long_clip), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _until(lambda: _encoder_below(command), 120, "the encoder")
    assert say("cancel", "1").out.endswith(": 1 run told to stop\n")
    out, err = command.communicate(timeout=60)
    assert command.returncode in (1, 130), err
    (video,) = Said(0, out, err).json["videos"]
    assert (video["status"], video["status_message"]) == ("failed", "canceled")


def test_a_taken_port_is_one_clear_line_before_anything_starts(command: Callable[..., Said], home: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port_in_use(port)
        said = command("up", "--port", str(port))
    assert said.code == 1
    assert said.out == ""
    assert said.err == (
        f"video-assets: port {port} cannot be used (Address already in use); "
        "name another with --port, or stop what has it\n"
    )
    assert not (home / "logs" / "up.log").exists()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_up_is_stopped_whole_and_goes_on_the_next_time(home: Path, clip: Path, long_clip: Path) -> None:
    from video_assets.cli.up.services import free_port

    with (home.parent / "said").open("w") as said:
        up = subprocess.Popen(
            [*CLI, "up", "--port", str(free_port())],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        _until(lambda: "Ctrl-C stops everything" in Path(said.name).read_text(), 150, "up")
        (home / "inbox" / "long.mp4").write_bytes(long_clip.read_bytes())
        _until(lambda: _encoder_below(up), 120, "the encoder")
        family = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(signal.SIGTERM)
        assert up.wait(timeout=60) == 0
    assert psutil.wait_procs(family, timeout=10)[1] == [], "something is left running"
    assert Path(said.name).read_text().endswith("stopped; nothing is left running\n")


def _encoder_below(command: subprocess.Popen[str] | subprocess.Popen[bytes]) -> psutil.Process | None:
    assert command.poll() is None, "it ended before its time"
    for child in psutil.Process(command.pid).children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue
        if line and "ffmpeg" in line[0] and "libx264" in line:
            return child
    return None


def _until(condition: Callable[[], object], seconds: float, what: str) -> object:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.1)
    return found
