"""HOME is its owner's alone; what lies elsewhere keeps its rights."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from video_assets.cli.up.private import tighten
from video_assets_tests.cli.conftest import Said


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_a_command_makes_is_its_owner_s_alone(command: Callable[..., Said], home: Path, clip: Path) -> None:
    assert command("process", str(clip)).code == 0
    assert mode(home) == 0o700
    made = [path for path in home.rglob("*") if path.is_file()]
    assert len(made) > 10
    assert [path for path in made if mode(path) & 0o077] == []
    assert os.umask(0o022) == 0o022, "it is as it was"


def test_a_home_of_an_older_release_is_tightened(command: Callable[..., Said], home: Path) -> None:
    (home / "dagster" / "history").mkdir(parents=True)
    (home / "logs").mkdir()
    old = [home / name for name in ("video-assets.db", "search.db-wal", "events.jsonl", "logs/up.log")]
    old.append(home / "dagster" / "history" / "runs.db")
    for path in old:
        path.touch(0o644)
    home.chmod(0o755)
    os.truncate(old[0], 0)
    command("status")
    assert {mode(path) for path in old} == {0o600}
    assert mode(home) == 0o700


def test_storage_elsewhere_keeps_its_rights(
    command: Callable[..., Said], home: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "shared"
    monkeypatch.setenv("VIDEO_ASSETS_STORAGE_URL", elsewhere.as_uri())
    assert command("process", str(clip)).code == 0
    # The same bits that LocalStorage would give with nobody's interference.
    (rung,) = elsewhere.glob("videos/1/variants/*/240p.mp4")
    assert mode(rung) & 0o044 == 0o044
    assert mode(home) == 0o700
    assert mode(home / "video-assets.db") == 0o600


def test_a_folder_that_is_not_only_ours_is_left_alone(tmp_path: Path) -> None:
    shared, foreign = tmp_path / "shared", tmp_path / "foreign"
    shared.mkdir()
    (shared / "video-assets.db").touch()
    shared.chmod(0o1777)
    foreign.mkdir()
    (foreign / "letters.txt").touch()
    foreign.chmod(0o755)
    tighten(shared)
    tighten(foreign)
    assert (mode(shared), mode(foreign)) == (0o1777, 0o755)
    tighten(tmp_path / "none")
