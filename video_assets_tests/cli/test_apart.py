"""Tables and storage that are not of one library, as the command tells it and mends it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from video_assets_tests.cli.conftest import Said, say

REBUILD = "video-assets rebuild --database"


def lose_tables(home: Path) -> None:
    for path in home.glob("video-assets.db*"):
        path.unlink()


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".locks"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def found_wrong(said: Said) -> dict[str, str]:
    return {finding["name"]: finding["found"] for finding in said.json["findings"] if not finding["ok"]}


def test_lost_tables_are_told_by_every_command_and_brought_back_by_one(library: Path, clip: Path) -> None:
    before, shown = bytes_of(library / "storage"), say("status", "--json").json["videos"]
    lose_tables(library)

    taken = say("process", str(clip), "--json")
    assert taken.code == 1
    (answer,) = taken.json["videos"]
    assert answer["id"] is None
    line = answer["status_message"]
    assert REBUILD in line
    assert "\n" not in line
    status = say("status")
    assert status.code == 1
    assert REBUILD in " ".join(status.out.split())
    assert "no videos yet" not in status.out
    assert say("status", "--json").json["trouble"] == line
    assert found_wrong(say("doctor", "--json")) == {"library": line}
    up = say("up", "--port", "1")
    assert up.code == 1
    assert up.err.strip() == f"video-assets: library: {line}"
    assert bytes_of(library / "storage") == before

    assert say("rebuild", "--database").code == 0
    assert say("status", "--json").json["videos"] == shown
    assert say("doctor", "--json").json["ok"] is True
    again = say("process", str(clip), "--json")
    assert again.code == 0, again.out + again.err
    assert again.json["videos"][0]["id"] == 2
    after = bytes_of(library / "storage")
    assert {key: after[key] for key in before} == before


def test_a_library_of_the_release_before_goes_on_without_a_word(library: Path) -> None:
    import sqlite3

    (library / "storage" / "library.json").unlink()
    with sqlite3.connect(library / "video-assets.db") as tables:
        tables.execute("DROP TABLE library")
        tables.execute("UPDATE video_assets_version SET version_num = '0002'")
    tables.close()
    said = say("status")
    assert (said.code, said.err) == (0, "")
    assert say("doctor", "--json").json["ok"] is True
    done = say("process", "--video", "1", "--json")
    assert done.code == 0, done.out + done.err
    assert json.loads((library / "storage" / "library.json").read_text())["identity"]


def test_a_storage_that_is_elsewhere_is_told_and_nothing_is_deleted_there(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(library / "storage", tmp_path / "other")
    (tmp_path / "other" / "library.json").write_text('{"identity": "another"}')
    monkeypatch.setenv("VIDEO_ASSETS_STORAGE_URL", (tmp_path / "other").as_uri())
    before = bytes_of(tmp_path / "other")
    for words in (("delete", "1", "--yes"), ("process", "--video", "1"), ("rebuild", "--database"), ("up",)):
        said = say(*words)
        assert said.code == 1
        assert "belong to another storage" in said.err + said.out, words
    assert "belong to another storage" in say("status").err
    assert "belong to another storage" in say("reconcile").out
    assert bytes_of(tmp_path / "other") == before


def test_a_storage_that_is_not_mounted_is_told_and_given_up_only_when_told_so(library: Path, clip: Path) -> None:
    shutil.rmtree(library / "storage")
    said = say("doctor", "--json")
    assert "the storage is empty: mount it" in found_wrong(said)["library"]
    assert say("process", str(clip)).code == 1
    refused = say("rebuild", "--database")
    assert refused.code == 1
    assert "rebuild --database --storage-lost" in refused.err
    assert say("rebuild", "--database", "--storage-lost").code == 0
    again = say("process", str(clip), "--json")
    assert again.json["videos"][0]["id"] == 2
