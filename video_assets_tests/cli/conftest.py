"""A library with one video in it, made once by the command itself; each test gets a copy."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from video_assets.cli.app import run
from video_assets_tests.media.clips import make_clip

CAPTIONS = """WEBVTT

00:00.200 --> 00:01.800
The herons wait near the harbour at dawn.

00:02.000 --> 00:03.800
Add two cups of flour and sugar.
"""


@dataclass(frozen=True)
class Said:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def say(*arguments: str) -> Said:
    """Runs a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOME, and an environment that names it."""
    monkeypatch.setenv("VIDEO_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIDEO_ASSETS_LADDER", "240")
    monkeypatch.setenv("VIDEO_ASSETS_MIN_FREE_BYTES", "0")
    return tmp_path / "home"


@pytest.fixture
def command(home: Path) -> Callable[..., Said]:
    """Runs a command line over the empty HOME."""
    return say


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary little video with captions inside."""
    return make_clip(tmp_path_factory.mktemp("clips") / "herons.mp4", size=(320, 240), captions=CAPTIONS)


@pytest.fixture(scope="session")
def processed(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> tuple[Path, Said]:
    """The HOME of a library of one ready video, and what `process --json` said of it."""
    folder = tmp_path_factory.mktemp("library") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEO_ASSETS_HOME", str(folder))
        patch.setenv("VIDEO_ASSETS_LADDER", "240")
        patch.setenv("VIDEO_ASSETS_MIN_FREE_BYTES", "0")
        said = say("process", str(clip), "--title", "[red]Herons[/red]\x1b[2J & co", "--json")
    assert said.code == 0, said.out + said.err
    return folder, said


@pytest.fixture
def library(processed: tuple[Path, Said], home: Path) -> Path:
    """A copy of that library as HOME."""
    shutil.copytree(processed[0], home, symlinks=True)
    return home
