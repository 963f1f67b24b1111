"""What is particular to the index in an SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from video_assets.errors import PermanentError, TransientError
from video_assets.search import Document, Passage
from video_assets.search.sqlite import index as embedded
from video_assets.search.sqlite.index import EmbeddedIndex
from video_assets_tests.search.indices import entry

VIDEO = Document(video_id=1, title="Boats", duration=9.0, passages=(Passage(0, 0.0, 9.0, "The tide rises."),))


@pytest.fixture
def index(tmp_path: Path) -> EmbeddedIndex:
    return EmbeddedIndex(tmp_path / "new folder" / "search.db")


def test_the_file_and_its_folder_are_made_on_first_use(index: EmbeddedIndex) -> None:
    assert not index.path.parent.exists()
    index.put(VIDEO, version="1")
    assert index.path.is_file()


def test_a_file_deleted_beneath_it_is_made_again(index: EmbeddedIndex) -> None:
    index.put(VIDEO, version="1")
    for each in index.path.parent.iterdir():
        each.unlink()
    assert index.count() == 0
    index.put(VIDEO, version="1")
    assert EmbeddedIndex(index.path).count() == 1


def test_one_index_serves_many_threads(index: EmbeddedIndex) -> None:
    found: list[int] = []

    def work(number: int) -> None:
        index.put(Document(video_id=number, title=f"number{number}", duration=1.0), version="1")
        found.extend(hit.video_id for hit in index.search(f"number{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == list(range(8))


def test_a_forked_child_opens_its_own_connection(index: EmbeddedIndex) -> None:
    index.put(VIDEO, version="1")
    child = os.fork()
    if not child:
        os._exit(0 if index.count() == 1 and index.put(VIDEO, version="2") else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert entry(index, 1).version == "2"


def test_a_failed_put_changes_nothing(index: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.put(VIDEO, version="1")

    def fails(*_: object) -> None:
        raise RuntimeError("killed in between")

    monkeypatch.setattr(embedded, "_insert", fails)
    with pytest.raises(RuntimeError):
        index.put(VIDEO, version="2")
    assert entry(index, 1).version == "1"
    assert index.search("tide")


def test_a_locked_index_may_be_tried_again(index: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "BUSY_SECONDS", 0.05)
    index.put(VIDEO, version="1")
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(TransientError, match=r"search\.db is not available"):
            EmbeddedIndex(index.path).put(VIDEO, version="2")
        assert index.search("tide"), "readers do not wait for writers"
    finally:
        other.close()


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(PermanentError, match="rebuild --index") as raised:
        EmbeddedIndex(path).ping()
    assert "\n" not in str(raised.value)


def test_deleted_documents_leave_no_words_behind(index: EmbeddedIndex) -> None:
    index.put(VIDEO, version="1")
    index.remove(1)
    with sqlite3.connect(index.path) as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM passages").fetchone() == (0,)


def test_a_file_of_another_release_is_told_and_rebuilt(index: EmbeddedIndex) -> None:
    index.remove(7, forever=True)
    with sqlite3.connect(index.path) as connection:
        for table in ("words", "passages", "videos", "vocabulary"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("CREATE TABLE videos (video_id INTEGER PRIMARY KEY, version TEXT)")
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (title, text, scope)")
        connection.execute("PRAGMA user_version = 1")
    again = EmbeddedIndex(index.path)
    for use in (again.ping, lambda: again.search("tide"), lambda: again.put(VIDEO, version="1")):
        with pytest.raises(PermanentError, match="rebuild --index"):
            use()
    assert again.rebuild([(VIDEO, "1"), (replace(VIDEO, video_id=7), "1")]) == 1
    assert [hit.video_id for hit in again.search("tide")] == [1]


def test_words_nobody_says_any_more_are_no_spellings(index: EmbeddedIndex) -> None:
    index.put(VIDEO, version="1")
    assert index.search("tdie")
    index.put(replace(VIDEO, passages=(Passage(0, 0.0, 9.0, "The tired rises."),)), version="2")
    assert index.search("tdie") == []
    index.remove(1)
    with sqlite3.connect(index.path) as connection:
        assert connection.execute("SELECT count(*) FROM vocabulary").fetchone() == (0,)
