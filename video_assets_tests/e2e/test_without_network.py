"""The embedded profile needs no network: everything runs where there is none, not even a loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from video_assets import sample

TESTS = Path(__file__).parents[1]
ALONE = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.fixture
def alone() -> list[str]:
    """What puts a command where there is no network."""
    try:
        subprocess.run([*ALONE, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine makes no network namespace: {error}")
    return ALONE


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_video_is_watchable_transcribed_summarised_and_found_without_any_network(
    alone: list[str], tmp_path: Path
) -> None:
    film = Path(sample.__file__).with_name("harbour.mp4")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDEO_ASSETS_")} | {
        "VIDEO_ASSETS_HOME": str(tmp_path / "home"),
        "VIDEO_ASSETS_LADDER": "240",
        "VIDEO_ASSETS_TRANSCRIBER": "whisper",
        "VIDEO_ASSETS_WHISPER_MODEL": str(TESTS / "fixtures" / "tiny-whisper" / "model"),
    }

    def told(*command: str) -> Any:
        ran = subprocess.run(
            [*alone, sys.executable, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        return json.loads(ran.stdout)

    made = told("-m", "video_assets.cli", "process", str(film), "--json")
    assert [video["status"] for video in made["videos"]] == ["ready"]
    hits = told("-m", "video_assets.cli", "search", "lighthouse", "--json")["hits"]
    assert hits
    assert "lighthouse" in hits[0]["snippet"]
    counting = "from video_assets.text.llm.tokens import count_tokens as n; print(n('The tide rises at seven.'))"
    assert told("-c", counting) == 6
    nobody = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))"
    assert told("-c", nobody) == 101, "there is no network at all, or this shows nothing"
