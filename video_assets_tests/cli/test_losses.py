"""The table "What is lost, and what brings it back" in docs/operations.md, line by line: each thing is lost, the
commands that the line names are run, and tables and bytes are compared with what was there before."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from video_assets.artifacts.upload import read_upload_record
from video_assets.database.engine import Database
from video_assets.database.models import Base
from video_assets.intake.uploads import take_in
from video_assets.settings import Settings
from video_assets.storage.local import LocalStorage
from video_assets.systems import Systems
from video_assets_tests.cli.conftest import CAPTIONS, Said, say
from video_assets_tests.defs.studio import REBUILT

pytestmark = pytest.mark.timeout(120)

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
READY, FAILED, DELETED = 1, 2, 3
Tables = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    lost: str
    meanwhile: str
    commands: tuple[str, ...]
    comes_back: str


def lines() -> list[Line]:
    """The table as it stands in the documentation."""
    page = PAGE.read_text(encoding="utf-8")
    table = page.partition("## What is lost, and what brings it back")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines() if row.startswith("|")]
    return [
        Line(row[0].strip("| "), row[1], tuple(re.findall(r"`video-assets ([^`]+)`", row[2])), row[3].strip(" |"))
        for row in rows[2:]
    ]


class House:
    """A library of one ready video with captions, one that failed and one that was deleted."""

    def __init__(self, home: Path) -> None:
        self.home, self.storage = home, home / "storage"
        self.tables_before, self.bytes_before, self.hits_before = self.tables(), self.bytes(), self.hits()
        self.said: list[Said] = []

    def tables(self) -> Tables:
        """Every row that can be rebuilt, without surrogate ids and the titles of what was deleted."""
        database = Database(f"sqlite:///{self.home / 'video-assets.db'}")
        content: Tables = {}
        with database.read() as session:
            for name in REBUILT:
                table = Base.metadata.tables[name]
                left_out = {"id"} if name != "videos" else set()
                left_out |= {"title", "deleted_at"} if name == "deleted_videos" else set()
                columns = [column for column in table.columns if column.name not in left_out]
                content[name] = sorted((tuple(row) for row in session.execute(select(*columns))), key=repr)
        database.dispose()
        return content

    def bytes(self) -> dict[str, bytes]:
        """Every object."""
        files = [path for path in self.storage.rglob("*") if path.is_file() and ".locks" not in path.parts]
        return {path.relative_to(self.storage).as_posix(): path.read_bytes() for path in files}

    def hits(self) -> list[dict[str, Any]]:
        """What a search finds."""
        found: list[dict[str, Any]] = say("search", "herons", "--json").json["hits"]
        return [{key: value for key, value in hit.items() if key != "score"} for hit in found]

    def path(self, pattern: str, video_id: int = READY) -> Path:
        """The one object of a video whose key ends so."""
        (path,) = (self.storage / "videos" / str(video_id)).glob(pattern)
        return path

    def reused(self) -> set[str]:
        """The stages that a further run of the ready video finds as they have to be."""
        (video,) = say("process", "--video", str(READY), "--json").json["videos"]
        assert (video["id"], video["status"], video["status_message"]) == (READY, "ready", None)
        return {stage for stage, made in video["artifacts"].items() if made["reused"]}

    def remove(self, *names: str) -> None:
        """Removes files and folders of HOME."""
        for name in names:
            for path in self.home.glob(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def told(self) -> str:
        """All that the commands said."""
        return " ".join(f"{said.out} {said.err}" for said in self.said)


ALL = {"uploads", "variants", "transcripts", "summaries", "search_documents"}


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    folder = tmp_path_factory.mktemp("losses")
    (folder / "own.vtt").write_text(CAPTIONS, encoding="utf-8")
    (folder / "letter.mp4").write_bytes(b"Dear sir or madam, " * 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEO_ASSETS_HOME", str(folder / "home"))
        patch.setenv("VIDEO_ASSETS_LADDER", "240,144")
        patch.setenv("VIDEO_ASSETS_MIN_FREE_BYTES", "0")
        taken = say("process", str(clip), "--title", "A talk", "--captions", str(folder / "own.vtt"))
        assert taken.code == 0, taken.err
        assert say("process", str(folder / "letter.mp4")).code == 1
        gone = say("process", str(clip))
        assert gone.code == 0, gone.err
        assert say("delete", str(DELETED), "--yes").code == 0
    return folder / "home"


@pytest.fixture
def house(golden: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("VIDEO_ASSETS_LADDER", "240,144")
    shutil.copytree(golden, home, symlinks=True)
    return House(home)


def nothing_differs(house: House) -> None:
    assert house.tables() == house.tables_before
    assert house.bytes() == house.bytes_before
    assert house.hits() == house.hits_before


def nothing_differs_and_nothing_is_made(house: House) -> None:
    nothing_differs(house)
    assert house.reused() == ALL
    assert house.bytes() == house.bytes_before


def made_again(*stages: str) -> Callable[[House], None]:
    """These were made again, with the same content; the video was ready and found all the time."""

    def check(house: House) -> None:
        after = house.bytes()
        kept = {key for key in house.bytes_before if not any(f"/{stage}/" in key for stage in stages)}
        assert {key: after[key] for key in kept} == {key: house.bytes_before[key] for key in kept}
        for table in ("videos", "video_transcripts", "video_summaries"):
            changed = {"video_transcripts": "transcripts"}.get(table) in stages
            assert changed or house.tables()[table] == house.tables_before[table]
        for stage in stages:
            assert contents(after, stage) == contents(house.bytes_before, stage)
        assert house.hits() == house.hits_before
        assert house.reused() == ALL

    return check


def contents(objects: dict[str, bytes], stage: str) -> dict[str, str]:
    """The hashes of what is current of the ready video's stage."""
    pointer = json.loads(objects[f"videos/{READY}/{stage}/current.json"])
    files = json.loads(objects[pointer["manifest_key"]])["files"]
    assert all(file["key"] in objects for file in files)
    return {file["name"]: file["sha256"] for file in files}


def upload_again(house: House) -> None:
    """Nothing was removed, nothing is made of what is there, and the video is as it was."""
    assert "upload it again" in house.told()
    assert house.tables() == house.tables_before
    key = f"videos/{READY}/source/original.mp4"
    before = {each: data for each, data in house.bytes_before.items() if each != key}
    assert {each: data for each, data in house.bytes().items() if each != key} == before
    said = say("process", "--video", str(READY), "--force", "--json").json["videos"][0]
    assert "upload it again" in said["status_message"]
    assert said["status"] == "ready"
    assert {each: data for each, data in house.bytes().items() if each != key} == before
    assert house.hits() == house.hits_before


def told_from_the_rest(house: House) -> None:
    record = read_upload_record(LocalStorage(house.storage), READY)
    before = json.loads(house.bytes_before[f"videos/{READY}/upload.json"])
    assert json.loads(record.model_dump_json()) == before | {"filename": None, "user_name": None}
    after = house.tables()
    assert {name: rows for name, rows in after.items() if name != "upload_metadata"} == {
        name: rows for name, rows in house.tables_before.items() if name != "upload_metadata"
    }
    assert house.reused() == ALL


def captions_in_force(house: House) -> None:
    assert house.tables() == house.tables_before
    key = f"videos/{READY}/captions/current.json"
    held, before = json.loads(house.bytes()[key]), json.loads(house.bytes_before[key])
    assert (held["key"], held["sha256"]) == (before["key"], before["sha256"])
    assert house.reused() == ALL


def rows_stay(house: House) -> None:
    assert house.tables() == house.tables_before
    # Why a video failed is still known, and noted down again.
    assert house.bytes().keys() == {"library.json", f"videos/{FAILED}/failure.json"}


def gone_for_good(house: House) -> None:
    after = house.tables()
    assert [row[0] for row in after["deleted_videos"]] == [READY, DELETED]
    assert [row[0] for row in after["videos"]] == [FAILED]
    assert house.hits() == []


def damage_the_database(house: House) -> None:
    path = house.home / "video-assets.db"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 100_000)
    said = say("status")
    assert said.code == 1
    assert "move it aside" in said.err
    house.remove("video-assets.db*")


def damage_the_index(house: House) -> None:
    house.remove("search.db*")  # another file, not the one that this process has open
    (house.home / "search.db").write_bytes(b"\xff" * 100_000)
    said = say("search", "herons")
    assert said.code == 1
    assert "move the file away" in said.err
    house.remove("search.db*")


def lose(pattern: str, video_id: int = READY) -> Callable[[House], None]:
    return lambda house: house.path(pattern, video_id).unlink()


def alter(pattern: str, video_id: int = READY) -> Callable[[House], None]:
    """Bytes within change, and the size does not."""

    def change(house: House) -> None:
        path = house.path(pattern, video_id)
        data = path.read_bytes()
        middle = len(data) // 2
        path.unlink()  # a file of a copied library may be the same file as another's
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])

    return change


def garble(pattern: str, video_id: int = READY) -> Callable[[House], None]:
    def change(house: House) -> None:
        path = house.path(pattern, video_id)
        path.unlink()
        path.write_bytes(b"\xff\xfe garbage")

    return change


def both(*losses: Callable[[House], None]) -> Callable[[House], None]:
    return lambda house: [each(house) for each in losses].clear()


LOST: dict[str, tuple[Callable[[House], None], Callable[[House], None]]] = {
    "the database file": (lambda house: house.remove("video-assets.db*"), nothing_differs_and_nothing_is_made),
    "the database file is damaged": (damage_the_database, nothing_differs),
    "the search index": (lambda house: house.remove("search.db*"), nothing_differs),
    "the search index is damaged": (damage_the_index, nothing_differs),
    "`dagster/`": (lambda house: house.remove("dagster"), nothing_differs_and_nothing_is_made),
    "everything but `storage/`": (
        lambda house: house.remove("video-assets.db*", "search.db*", "dagster", "work", "logs", "events.jsonl"),
        lambda house: without_attempts(house),
    ),
    "`upload.json`": (lose("upload.json"), nothing_differs),
    "`upload.json` is garbage": (garble("upload.json"), nothing_differs),
    "`upload.json` and the database file": (
        both(lose("upload.json"), lambda house: house.remove("video-assets.db*")),
        told_from_the_rest,
    ),
    "the uploaded file": (lose("source/original.mp4"), upload_again),
    "the uploaded file is altered": (alter("source/original.mp4"), upload_again),
    "`captions/current.json`": (lose("captions/current.json"), captions_in_force),
    "a pointer (`variants/current.json`)": (lose("variants/current.json"), nothing_differs_and_nothing_is_made),
    "a pointer is garbage": (garble("summaries/current.json"), nothing_differs_and_nothing_is_made),
    "a `manifest.json`": (lose("variants/*/manifest.json"), made_again("variants")),
    "a rung (`144p.mp4`)": (lose("variants/*/144p.mp4"), made_again("variants")),
    "a rung is altered": (alter("variants/*/144p.mp4"), made_again("variants")),
    "`transcript.json`": (lose("transcripts/*/transcript.json"), made_again("transcripts")),
    "`document.json`": (lose("search_documents/*/document.json"), made_again("search_documents")),
    "`failure.json`": (lose("failure.json", FAILED), nothing_differs),
    "`failure.json` is garbage": (garble("failure.json", FAILED), nothing_differs),
    "a tombstone": (lose("uploads/current.json", DELETED), lambda house: stays_deleted(house)),
    "`library.json`": (lambda house: (house.storage / "library.json").unlink(), lambda house: other_identity(house)),
    "a video's whole folder": (lambda house: house.remove(f"storage/videos/{READY}"), gone_for_good),
    "`storage/`": (lambda house: house.remove("storage"), rows_stay),
}
"""What stands in the first column → how it is lost, and what is so afterwards."""


def without_attempts(house: House) -> None:
    """The stories of runs that went well were in the event log alone."""
    after = house.tables()
    stories = ("attempts",)
    assert {name: rows for name, rows in after.items() if name not in stories} == {
        name: rows for name, rows in house.tables_before.items() if name not in stories
    }
    assert [row for row in house.tables_before["attempts"] if row[0] == FAILED] == after["attempts"]
    assert house.bytes() == house.bytes_before
    assert house.hits() == house.hits_before
    assert house.reused() == ALL


def stays_deleted(house: House) -> None:
    assert house.tables() == house.tables_before
    house.remove("video-assets.db*")
    assert say("rebuild", "--database").code == 0
    assert house.tables() == house.tables_before


def other_identity(house: House) -> None:
    assert house.tables() == house.tables_before
    after = house.bytes()
    assert after.keys() == house.bytes_before.keys()
    assert {k: v for k, v in after.items() if k != "library.json"} == {
        k: v for k, v in house.bytes_before.items() if k != "library.json"
    }


def test_the_table_has_a_line_for_each_test_and_a_test_for_each_line() -> None:
    assert [line.lost for line in lines()] == list(LOST)


@pytest.mark.parametrize("line", lines(), ids=lambda line: line.lost)
def test_what_is_lost_comes_back_as_the_table_says(house: House, line: Line, clip: Path) -> None:
    happens, check = LOST[line.lost]
    happens(house)
    for command in line.commands:
        said = say(*shlex.split(command.replace("ID", str(READY))))
        assert "unexpected" not in said.err
        assert "Traceback" not in said.out + said.err
        house.said.append(said)
    assert house.said == [] or house.said[-1].code == (1 if "exit status 1" in line.meanwhile else 0), house.told()
    check(house)
    settings = Settings.load()
    systems = Systems(settings)
    taken = take_in(clip, database=systems.database, storage=systems.storage, settings=settings)
    systems.database.dispose()
    assert taken.id > DELETED, "an id was given again"
