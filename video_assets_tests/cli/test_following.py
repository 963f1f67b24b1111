"""Where workers stand ready, `process` hands files over and follows them. Another process stands in for a worker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from video_assets.cli.run_remote import is_over
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.cli.conftest import Said, say

CLI = [sys.executable, "-m", "video_assets.cli"]


@pytest.fixture(autouse=True)
def _workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_CELERY_BROKER_URL", "redis://127.0.0.1:1/0")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*CLI, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_pending(video_id: int) -> None:
    """Waits until the video is in the table and may be worked on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        said = say("status", str(video_id), "--json")
        if said.code == 0 and said.json["status"] == "pending":
            return
        time.sleep(0.2)
    raise AssertionError(f"video {video_id} did not become pending")


def ended(command: subprocess.Popen[str]) -> Said:
    out, err = command.communicate(timeout=60)
    return Said(command.returncode, out, err)


def test_files_are_taken_in_and_followed_until_somebody_has_made_everything(home: Path, clip: Path) -> None:
    command = start("process", str(clip), str(clip.with_name("not there.mp4")), "--title", "x", "--json")
    assert ended(command).code == 2, "a title belongs to one file"

    command = start("process", str(clip), str(clip.with_name("not there.mp4")), "--json")
    until_pending(1)
    assert say("process", "--video", "1", "--here").code == 0
    said = ended(command)
    assert said.code == 1, "one of the two was no file"
    followed, refused = said.json["videos"]
    assert (followed["id"], followed["status"], followed["status_message"]) == (1, "ready", None)
    assert list(followed["artifacts"]) == ["uploads", "variants", "transcripts", "summaries", "search_documents"]
    assert not any(artifact["reused"] for artifact in followed["artifacts"].values())
    assert all(seconds > 0 for seconds in followed["seconds"].values())
    assert refused["id"] is None
    assert "not there.mp4" in refused["status_message"]


def test_a_ready_video_is_asked_for_again_and_followed_by_its_new_run(library: Path) -> None:
    command = start("process", "--video", "1", "--video", "99")
    deadline = time.monotonic() + 60
    while not _asked_for(1):
        assert time.monotonic() < deadline, "no run was asked for"
        time.sleep(0.2)
    assert command.poll() is None, "ready as it is, its new run has not been there yet"
    assert say("process", "--video", "1", "--here").code == 0
    said = ended(command)
    assert said.code == 1
    assert said.out.splitlines()[0] == "video 1 ready"
    assert said.out.splitlines()[1] == (
        "video 99 failed: there is no video 99; `video-assets status` lists those there are"
    )


def test_ctrl_c_stops_following_and_nothing_else(home: Path, clip: Path) -> None:
    command = start("process", str(clip))
    until_pending(1)
    command.send_signal(signal.SIGINT)
    said = ended(command)
    assert said.code == 130
    assert said.err.splitlines()[-1] == (
        "video-assets: interrupted; video 1 goes on without it, `video-assets cancel ID` stops one"
    )
    assert say("status", "1", "--json").json["status"] == "pending"


def test_force_is_for_work_done_here(home: Path, clip: Path) -> None:
    said = say("process", str(clip), "--force")
    assert said.code == 2
    assert "--force works with --here" in said.err


@pytest.mark.parametrize(
    ("status", "states", "over"),
    [
        ("pending", [], False),
        ("transcoding", ["started"], False),
        ("ready", ["succeeded"], True),
        ("failed", ["failed"], True),
        ("failed", ["canceled"], True),
        ("ready", [], False),  # asked for again, and no run yet
        ("ready", ["started"], False),  # ready already, and being made again
        ("pending", ["lost"], False),  # its worker died: there will be another run
        ("transcoding", ["lost", "started"], False),
        ("ready", ["lost", "succeeded"], True),
    ],
)
def test_when_it_is_over(status: str, states: list[str], over: bool) -> None:
    attempts: list[Any] = [SimpleNamespace(state=state) for state in states]
    assert is_over(status, attempts) is over


def _asked_for(video_id: int) -> bool:
    from sqlalchemy import select

    from video_assets.database.models import LaunchRow

    with Systems(Settings.load()).database.read() as session:
        open_ones = select(LaunchRow.id).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None))
        return session.scalar(open_ones) is not None
