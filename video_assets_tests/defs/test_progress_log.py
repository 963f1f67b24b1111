"""Progress in the run's log: seldom, and in words."""

from __future__ import annotations

import pytest

from video_assets.defs.progress_log import line, seldom
from video_assets.media.sandbox.process import Progress


def test_a_line_is_said_at_most_every_so_many_seconds() -> None:
    said: list[str] = []
    clock = [0.0]
    listen = seldom(said.append, "encoding", every=60, now=lambda: clock[0])
    for second in range(150):
        clock[0] = float(second)
        listen(Progress(second, second / 150, 1.5, 150 - second))
    assert said == [
        "encoding: 40 %, 1.5 times real time, 1:30 left",
        "encoding: 80 %, 1.5 times real time, 0:30 left",
    ]


def test_a_short_job_says_nothing() -> None:
    said: list[str] = []
    listen = seldom(said.append, "encoding", every=60, now=iter([0.0, 1.0, 2.0]).__next__)
    listen(Progress(1, 0.5, None, None))
    assert said == []


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(50, 0.42, 1.26, 130), "encoding: 42 %, 1.3 times real time, 2:10 left"),
        (Progress(50, None, None, None), "encoding: 0:50"),
    ],
)
def test_what_is_known_is_said(progress: Progress, words: str) -> None:
    assert line("encoding", progress) == words
