"""Watching says each change once, and costs no more for videos that have come to rest."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import update

from video_assets.cli.render import progress
from video_assets.cli.render.changes import Watcher
from video_assets.cli.render.output import Output
from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import AttemptRow, ProgressRow, VideoRow


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'tables.db'}")
    database.ensure_schema()
    now = utc_now()
    with database.write() as session:
        session.add(VideoRow(id=1, title="a\x1b[2Jb", key="k", status="pending", created_at=now, updated_at=now))
        session.add(VideoRow(id=2, title="old", key="k", status="ready", created_at=now, updated_at=now))
        session.flush()
        session.add(
            AttemptRow(
                video_id=1,
                run_id="r",
                fence="1",
                number=1,
                reason="upload",
                stages=[],
                state="started",
                error_kind="",
                error="",
            )
        )
    return database


def _set(database: Database, status: str, message: str | None = None) -> None:
    with database.write() as session:
        session.execute(update(VideoRow).where(VideoRow.id == 1).values(status=status, status_message=message))


def _progress(database: Database, fraction: float) -> None:
    with database.write() as session:
        session.merge(
            ProgressRow(
                run_id="r",
                video_id=1,
                stage="variants",
                fraction=fraction,
                speed=2.0,
                eta_seconds=3.0,
                beat_at=utc_now(),
                pid=1,
                host="h",
            )
        )


def test_each_change_is_said_once_and_what_rests_is_not(database: Database) -> None:
    watcher = Watcher(database)
    assert watcher.look() == ["video 1 (a [2Jb) pending"]
    assert watcher.look() == []
    _set(database, "transcoding")
    assert watcher.look() == ["video 1 (a [2Jb) transcoding"]
    _set(database, "failed", "variants: no\nroom")
    assert watcher.look() == ["video 1 (a [2Jb) failed: variants: no room"]
    assert watcher.look() == []


def test_progress_is_a_line_for_each_quarter(database: Database) -> None:
    watcher = Watcher(database, [1], only=True)
    watcher.look()
    _set(database, "transcoding")
    lines = []
    for percent in range(5, 100, 5):
        _progress(database, percent / 100)
        lines += watcher.look()
    assert [line.partition("variants ")[2].partition(",")[0] for line in lines] == ["", "5%", "25%", "50%", "75%"]


def test_on_a_terminal_a_bar_shows_stage_and_speed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REDRAW_SECONDS", 0.02)
    _set(database, "transcoding")
    _progress(database, 0.5)
    screen = io.StringIO()
    output = Output()
    output.notes = Console(file=screen, force_terminal=True, width=160, _environ={"TERM": "xterm"})
    deadline = time.monotonic() + 20
    with progress.shown(output, database, 1):
        while "variants 2.0x 0:03 left" not in screen.getvalue() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "video 1 a [2Jb: transcoding" in screen.getvalue()
    assert "variants 2.0x 0:03 left" in screen.getvalue()


def test_status_watch_ends_with_ctrl_c_and_0(home: Path) -> None:
    Database(f"sqlite:///{_made(home) / 'video-assets.db'}").ensure_schema()
    with Database(f"sqlite:///{home / 'video-assets.db'}").write() as session:
        session.add(VideoRow(id=1, title="t", key="k", status="pending", created_at=utc_now(), updated_at=utc_now()))
    watch = subprocess.Popen(
        [sys.executable, "-u", "-m", "video_assets.cli", "status", "--watch"], stdout=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    assert watch.stdout.readline() == "video 1 (t) pending\n"
    watch.send_signal(signal.SIGINT)
    assert watch.wait(timeout=30) == 0


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
