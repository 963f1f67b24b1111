"""What `make demo` does: the real daemon, sensors and run, and a table that tells of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from video_assets.videos import VideoStatus

ORDER = [status.value for status in VideoStatus if status is not VideoStatus.FAILED]
TOPICS = ["video.uploaded", "video.transcoded", "video.transcribed", "video.summarized", "video.ready"]


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_the_sample_goes_all_the_way_round(home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "video_assets.cli", "demo"], capture_output=True, text=True, timeout=230
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr

    statuses = re.findall(r"^ +[\d.]+ s  (\w+)$", ran.stdout, re.M)
    places = [ORDER.index(status) for status in statuses]
    assert places == sorted(set(places)), statuses
    assert statuses[-1] == "ready"

    assert len(re.findall(r"^summary   \S.*\.$", ran.stdout, re.M)) == 1
    assert len(re.findall(r"^chapter   \d+:\d\d  \S", ran.stdout, re.M)) >= 3
    assert re.search(r"^tags      \w+, \w+", ran.stdout, re.M)
    hit = re.search(r"\(second (\d+\.\d)\)\n +.*herons", ran.stdout)
    assert hit, ran.stdout
    assert float(hit[1]) < 60
    assert re.findall(r"^event \d+   (\S+)$", ran.stdout, re.M) == TOPICS
    assert re.search(r"^Dagster UI   http://127\.0\.0\.1:\d+$", ran.stdout, re.M)

    published = [json.loads(line)["topic"] for line in (home / "demo" / "events.jsonl").read_text().splitlines()]
    assert published == TOPICS
    assert (home / "demo" / ".gitignore").read_text() == "*\n"
    left = [process for process in psutil.process_iter() if str(home) in " ".join(_command(process))]
    assert left == []


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
