"""`doctor` tries the real things and says what is wrong with which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from video_assets.media.sandbox import process
from video_assets_tests.cli.conftest import Said
from video_assets_tests.text.standin import StandIn


def test_all_is_well_on_a_fresh_home(command: Callable[..., Said], home: Path) -> None:
    said = command("doctor", "--json")
    assert said.code == 0, said.out
    findings = {finding["name"]: finding for finding in said.json["findings"]}
    assert said.json["ok"] is True
    assert "ffmpeg version" in findings["ffmpeg"]["found"]
    assert all(finding["milliseconds"] >= 0 for finding in findings.values())
    assert list((home / "storage").rglob("doctor/*")) == [], "the probe is removed"


def test_what_is_wrong_is_named_and_the_rest_is_tried_all_the_same(
    command: Callable[..., Said], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_DATABASE_URL", "postgresql://user:hunter2@127.0.0.1:1/none")
    monkeypatch.setenv("VIDEO_ASSETS_MIN_FREE_BYTES", str(2**60))
    said = command("doctor", "--json")
    assert said.code == 1
    wrong = {finding["name"]: finding["found"] for finding in said.json["findings"] if not finding["ok"]}
    assert sorted(wrong) == ["database", "disk"]
    assert "hunter2" not in said.out
    assert "\n" not in wrong["database"]


def test_a_machine_that_cannot_hold_children_in_says_what_it_lacks_and_works(
    command: Callable[..., Said], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "missing_protections", lambda: ["no limit on address space", "no walls"])
    said = command("doctor", "--json")
    assert said.code == 0, said.out
    (found,) = [finding["found"] for finding in said.json["findings"] if finding["name"] == "confinement"]
    assert found == "works; this machine does not offer: no limit on address space; no walls"


def test_the_table_says_it_too(command: Callable[..., Said], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "inbox").write_text("a file where the folder should be")
    said = command("doctor")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "WRONG" in line]
    assert "VIDEO_ASSETS_INBOX" in line


@pytest.mark.parametrize(
    ("models", "key", "ok", "found"),
    [
        (None, "right", True, "(lists no models)"),
        (["other"], "right", False, "does not list the model stand-in; set VIDEO_ASSETS_SUMMARY_MODEL"),
    ],
)
def test_the_model_that_summarises_is_asked_for_and_nothing_is_paid(
    models: list[str] | None,
    key: str,
    ok: bool,
    found: str,
    command: Callable[..., Said],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standin = StandIn()
    standin.models, standin.key = models, "right"
    monkeypatch.setenv("VIDEO_ASSETS_SUMMARIZER", "openai")
    monkeypatch.setenv("VIDEO_ASSETS_SUMMARY_MODEL", "stand-in")
    monkeypatch.setenv("VIDEO_ASSETS_OPENAI_BASE_URL", standin.url)
    monkeypatch.setenv("VIDEO_ASSETS_OPENAI_API_KEY", key)
    with standin.running():
        said = command("doctor", "--json")
    finding = next(finding for finding in said.json["findings"] if finding["name"] == "summarizer")
    assert finding["ok"] is ok
    assert found in finding["found"]
    assert standin.calls == []
