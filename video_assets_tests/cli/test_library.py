"""Commands over a library with one ready video, whose title is hostile."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from video_assets.videos import Stage
from video_assets_tests.cli.conftest import Said, say

TITLE = "[red]Herons[/red] [2J & co"
"""What intake makes of a title with an escape sequence in it."""
STAGES = [stage.value for stage in Stage]


def test_process_says_what_it_made(processed: tuple[Path, Said], clip: Path) -> None:
    home, said = processed
    (video,) = said.json["videos"]
    assert (video["file"], video["id"], video["status"], video["status_message"]) == (str(clip), 1, "ready", None)
    assert sorted(video["seconds"]) == sorted(STAGES)
    assert list(video["artifacts"]) == STAGES
    for stage, artifact in video["artifacts"].items():
        assert artifact["reused"] is False
        assert (home / "storage" / artifact["prefix"] / "manifest.json").is_file()
        assert artifact["prefix"].startswith(f"videos/1/{stage}/{artifact['fingerprint'][:16]}-")


def test_progress_goes_to_stderr_in_lines_without_a_terminal(processed: tuple[Path, Said]) -> None:
    _, said = processed
    lines = said.err.splitlines()
    assert lines[-1].endswith(" ready")
    assert all(line.startswith("video 1 (") for line in lines), said.err
    assert "\x1b" not in said.err


def test_processing_again_reuses_everything_and_force_nothing(library: Path) -> None:
    again = say("process", "--video", "1", "--json").json["videos"][0]
    assert {artifact["reused"] for artifact in again["artifacts"].values()} == {True}
    forced = say("process", "--video", "1", "--force", "--json").json["videos"][0]
    assert {artifact["reused"] for artifact in forced["artifacts"].values()} == {False}
    assert _events(1) == [
        "uploaded",
        "transcoded",
        "transcribed",
        "summarized",
        "ready",
        "transcoded",
        "transcribed",
        "summarized",
    ]


def test_a_ready_video_stays_ready_when_a_later_run_fails_and_the_exit_status_tells(library: Path) -> None:
    (library / "storage" / "videos" / "1" / "source" / "original.mp4").unlink()
    said = say("process", "--video", "1", "--force", "--json")
    assert said.code == 1
    (video,) = said.json["videos"]
    assert video["status"] == "ready"
    assert video["status_message"].startswith("uploads: ")
    assert video["seconds"] == {}
    assert "ready, but this run failed: uploads: " in say("process", "--video", "1", "--force").out


def test_a_refused_file_does_not_stop_the_others(library: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    said = say("process", str(tmp_path / "no.mp4"), str(tmp_path / "empty.mp4"), str(tmp_path / "text.mp4"), "--json")
    assert said.code == 1
    missing, empty, text = said.json["videos"]
    assert (missing["id"], missing["status"]) == (empty["id"], empty["status"]) == (None, "failed")
    assert "no such file" in missing["status_message"]
    assert (text["id"], text["status"]) == (2, "failed")
    assert text["status_message"].startswith("uploads: ")
    assert text["artifacts"] == {}


def test_a_sidecar_is_taken_as_captions(library: Path, tmp_path: Path, clip: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "talk.vtt").write_text("WEBVTT\n\n00:00.500 --> 00:02.500\nLanterns light the quay.\n")
    assert say("process", str(tmp_path / "talk.mp4"), "--json").code == 0
    (hit,) = say("search", "lanterns", "--json").json["hits"]
    assert (hit["video_id"], hit["title"]) == (2, "talk")


def test_status_lists_and_counts(library: Path) -> None:
    said = say("status", "--json").json
    assert said["counts"] == {"ready": 1}
    assert said["unpublished_events"] == 0
    (video,) = said["videos"]
    assert (video["id"], video["title"], video["status"], video["progress"]) == (1, TITLE, "ready", None)
    assert video["processed_at"].endswith("Z")


def test_status_of_one_tells_runs_artifacts_and_events(library: Path) -> None:
    said = say("status", "1", "--json").json
    (attempt,) = said["attempts"]
    assert (attempt["number"], attempt["reason"], attempt["state"]) == (1, "process", "succeeded")
    assert list(said["artifacts"]) == STAGES
    assert said["artifacts"]["variants"]["cost"]["cpu_seconds"] > 0
    assert [event["published"] for event in said["events"]] == [True] * 5


@pytest.mark.parametrize("arguments", [["status"], ["status", "1"], ["search", "herons"], ["report"]])
def test_a_hostile_title_is_printed_as_harmless_text(library: Path, arguments: list[str]) -> None:
    said = say(*arguments)
    assert said.code == 0
    assert "\x1b" not in said.out
    if arguments != ["report"]:
        assert "[red]Herons" in said.out


def test_search_finds_the_second(library: Path) -> None:
    (hit, *_) = say("search", "FLOUR", "and", "sügar", "--json").json["hits"]
    assert list(hit) == ["video_id", "title", "start", "end", "snippet", "score"]
    assert 2.0 <= hit["start"] < 3.8
    assert "flour" in hit["snippet"]
    assert "<mark>" not in hit["snippet"]


def test_search_without_a_hit_is_no_failure(library: Path) -> None:
    assert say("search", "zeppelin", "--json").json == {"hits": []}
    said = say("search", "zeppelin")
    assert (said.code, said.out) == (0, "")
    assert "nothing found" in said.err


def test_the_index_can_be_wiped_and_rebuilt(library: Path) -> None:
    before = say("search", "herons", "--json").json
    for path in library.glob("search.db*"):
        path.unlink()
    assert say("search", "herons", "--json").json == {"hits": []}
    assert say("rebuild", "--index").code == 0
    after = say("search", "herons", "--json").json
    assert [(hit["video_id"], hit["start"], hit["snippet"]) for hit in after["hits"]] == [
        (hit["video_id"], hit["start"], hit["snippet"]) for hit in before["hits"]
    ]


def test_the_database_can_be_wiped_and_rebuilt(library: Path) -> None:
    before = say("status", "1", "--json").json
    for path in library.glob("video-assets.db*"):
        path.unlink()
    said = say("rebuild", "--database")
    assert said.code == 0, said.err
    after = say("status", "1", "--json").json
    assert after | {"events": before["events"]} == before


def test_deleting_leaves_nothing_to_find(library: Path) -> None:
    refused = say("delete", "1")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert say("delete", "1", "--yes").code == 0
    assert say("status", "--json").json["videos"] == []
    assert say("search", "herons", "--json").json == {"hits": []}
    left = [path.name for path in (library / "storage" / "videos" / "1").rglob("*") if path.is_file()]
    assert set(left) == {"current.json"}, "only tombstones stay"
    assert say("delete", "1", "--yes").code == 0, "a deletion can be done again"


def test_cancelling_what_does_not_run_says_so(library: Path) -> None:
    said = say("cancel", "1")
    assert said.code == 0
    assert said.out.endswith(": nothing was running\n")


def test_reconcile_puts_a_falsified_row_right(library: Path) -> None:
    with sqlite3.connect(library / "video-assets.db") as connection:
        connection.execute("DELETE FROM artifacts WHERE artefact = 'summaries'")
    said = say("reconcile")
    assert said.code == 0
    assert "summaries" in said.out
    assert list(say("status", "1", "--json").json["artifacts"]) == STAGES
    assert say("reconcile").out == "0 repairs\n"


def test_report_counts_and_draws(library: Path, tmp_path: Path) -> None:
    said = say("report", "--json", "--plots", str(tmp_path / "plots")).json
    (totals,) = said["totals"]
    assert (totals["videos"], totals["ready"], totals["failed"]) == (1, 1, 0)
    assert [stage["stage"] for stage in said["stages"]] == STAGES
    assert all(stage["made"] == 1 for stage in said["stages"])
    assert said["failures"] == []
    assert said["plots"]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in said["plots"])


def test_json_is_all_of_stdout_in_a_process_of_its_own(library: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "video_assets.cli", "process", "--video", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert Said(0, ran.stdout, "").json["videos"][0]["status"] == "ready"
    assert "DEBUG" not in ran.stderr


def _events(video_id: int) -> list[Any]:
    events = say("status", str(video_id), "--json").json["events"]
    return [event["topic"].removeprefix("video.") for event in events]
