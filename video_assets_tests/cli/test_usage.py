"""The command line itself: help, wrong usage, failures of one line, nothing heavy where it is not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from video_assets.cli.app import cli
from video_assets.cli.commands import status
from video_assets.errors import TransientError
from video_assets.storage import NotFound
from video_assets_tests.cli.conftest import Said, say

COMMANDS = [
    "account",
    "cancel",
    "delete",
    "demo",
    "doctor",
    "events",
    "healthy",
    "metrics",
    "migrate",
    "process",
    "rebuild",
    "reconcile",
    "report",
    "search",
    "status",
    "up",
    "web",
    "worker",
]


def test_every_command_is_there_and_explains_itself(command: Callable[..., Said]) -> None:
    assert sorted(cli.commands) == COMMANDS
    for name in COMMANDS:
        said = command(name, "--help")
        assert said.code == 0
        assert len(said.out) > 200, f"{name} --help says little"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["status", "--bogus"],
        ["status", "x"],
        ["status", "0"],
        ["status", "--watch", "--json"],
        ["process"],
        ["process", "a", "b", "--title", "t"],
        ["search"],
        ["rebuild"],
        ["cancel"],
        ["delete"],
        ["up", "--port", "0"],
    ],
)
def test_wrong_usage_is_one_line_and_2(command: Callable[..., Said], arguments: list[str]) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("video-assets: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["status", "99"], ["cancel", "99"], ["delete", "99", "--yes"]])
def test_a_video_that_is_not_there_is_one_line_that_says_what_to_do(
    command: Callable[..., Said], arguments: list[str]
) -> None:
    said = command(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err == "video-assets: there is no video 99; `video-assets status` lists those there are\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TransientError("the database did\nnot answer"), 1, "video-assets: the database did not answer\n"),
        (NotFound("videos/1/x"), 1, "video-assets: videos/1/x is not in storage; "),
        (KeyboardInterrupt(), 130, "video-assets: interrupted\n"),
        (click.Abort(), 130, "video-assets: interrupted\n"),
    ],
)
def test_failures_are_one_line(
    command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr(status, "_picture", _raises(error))
    said = command("status")
    assert said.code == code
    # Where it was Ctrl-C, a line end comes first: the terminal has printed ^C.
    assert said.err.lstrip("\n").startswith(line)
    assert said.err.lstrip("\n").count("\n") == 1


def test_the_unexpected_is_one_line_too_and_the_traceback_is_in_a_log(
    command: Callable[..., Said], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "_picture", _raises(ZeroDivisionError("secret\x1b[2J of mine")))
    said = command("status")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    log = home / "logs" / "command.log"
    assert str(log) in said.err
    assert "Traceback" in log.read_text()


def test_debug_shows_the_traceback(command: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_picture", _raises(ZeroDivisionError("x")))
    said = command("--debug", "status")
    assert said.code == 1
    assert "Traceback" in said.err


def test_a_bad_setting_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_LADDER", "big")
    said = say("status")
    assert said.code == 1
    assert said.err.startswith("video-assets: VIDEO_ASSETS_LADDER: ")


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["search", "herons"]])
def test_what_must_be_quick_does_not_load_dagster(home: Path, arguments: list[str]) -> None:
    heavy = ("dagster", "pandas", "sklearn", "matplotlib", "numpy")
    program = (
        "import sys; from video_assets.cli.app import run; code = run(sys.argv[1:]);"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1] == "[]"


def test_a_reader_that_has_had_enough_is_no_failure(home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        ran = subprocess.run(
            [sys.executable, "-m", "video_assets.cli", "status"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert ran.stderr == ""


def _raises(error: BaseException) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail
