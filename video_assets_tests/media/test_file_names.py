"""The name of a file is data, from the command line to the title: nothing reads anything into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from video_assets_tests.cli.conftest import say
from video_assets_tests.media.clips import make_clip

CAPTIONS = "WEBVTT\n\n00:00.100 --> 00:00.900\nHerons at the harbour.\n"
QUICK = ("-y.mp4", "new\nline $(touch gone).mp4", "ü" * 125 + "a.mp4")
ALL = (
    *QUICK,
    "--json.mp4",
    "'\"; touch gone; #.mp4",
    "%05d.mp4",
    "concat:a|b.mp4",
    "pipe:0.mp4",
    "[0:v]null,a=b.mp4",
    " .mp4",
    "\x1b[2J\x07.mp4",
    "\u202egpj.mp4",
    "日本語 🦢.mp4",
    os.fsdecode(b"bad\xff.mp4"),
    "no ending",
    ".hidden.mp4",
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", [pytest.param(QUICK, id="few"), pytest.param(ALL, id="all", marks=pytest.mark.slow)])
def test_any_file_name_is_taken_as_it_is(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOME", str(tmp_path / "home")), ("LADDER", "96"), ("MIN_FREE_BYTES", "0")):
        monkeypatch.setenv(f"VIDEO_ASSETS_{name}", value)
    folder = tmp_path / "files"
    folder.mkdir()
    clip = make_clip(tmp_path / "clip.mp4", seconds=1, size=(160, 96), captions=CAPTIONS).read_bytes()
    for name in names:
        assert len(os.fsencode(name)) <= 255
        (folder / name).write_bytes(clip)
    monkeypatch.chdir(folder)
    said = say("process", "--json", "--", *names)
    assert said.code == 0, said.err
    videos = said.json["videos"]
    assert [video["status"] for video in videos] == ["ready"] * len(names)
    assert [video["file"].encode("utf-8", "replace") for video in videos] == [
        name.encode("utf-8", "replace") for name in names
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names), "a name was run, or read as a pattern"
    assert all("\n" not in line and "\x1b" not in line for line in said.err.split("\n"))
