"""The embedded search index: SQLite with FTS5, one file, many readers and writers."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.search import queries, snippets
from video_assets.search.base import Document, Hit, Indexed
from video_assets.search.documents import digest
from video_assets.search.ranking import ABOUT, Asked, Row, candidates, ranked, scope

BUSY_SECONDS = 30

_SCHEMA = (
    "CREATE TABLE videos (video_id INTEGER PRIMARY KEY, version TEXT NOT NULL, digest TEXT NOT NULL,"
    " title TEXT NOT NULL, language TEXT, user_id INTEGER, created_at TEXT, duration REAL NOT NULL)",
    "CREATE TABLE removed (video_id INTEGER PRIMARY KEY)",
    "CREATE TABLE passages (id INTEGER PRIMARY KEY, video_id INTEGER NOT NULL, number INTEGER NOT NULL,"
    " start REAL NOT NULL, stop REAL NOT NULL, marks TEXT NOT NULL)",
    "CREATE INDEX passages_video ON passages (video_id, number)",
    "CREATE VIRTUAL TABLE words USING fts5"
    " (title, text, scope, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '2 3 4')",
    "INSERT INTO words (words, rank) VALUES ('rank', 'bm25(4.0, 1.0, 0.0)')",
    "PRAGMA user_version = 1",
)
_UNUSABLE = re.compile(f"[\x00-\x08\x0b-\x1f{queries.SEPARATOR}\ud800-\udfff]")


class EmbeddedIndex:
    """A `SearchIndex` in one SQLite file, made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def put(self, document: Document, *, version: str) -> bool:
        with self._writing() as connection:
            if connection.execute("SELECT 1 FROM removed WHERE video_id = ?", (document.video_id,)).fetchone():
                return False
            held = connection.execute(
                "SELECT version FROM videos WHERE video_id = ?", (document.video_id,)
            ).fetchone()  # fmt: skip
            if held is not None and held[0] > version:
                return False
            _delete(connection, document.video_id)
            _insert(connection, document, version)
            return True

    def remove(self, video_id: int, *, forever: bool = False) -> None:
        with self._writing() as connection:
            _delete(connection, video_id)
            if forever:
                connection.execute("INSERT OR IGNORE INTO removed VALUES (?)", (video_id,))

    def read(self, video_id: int) -> Indexed | None:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT version, digest, (SELECT count(*) FROM passages JOIN words ON words.rowid = passages.id"
                " WHERE passages.video_id = videos.video_id AND number >= 0) FROM videos WHERE video_id = ?",
                (video_id,),
            ).fetchone()
        return None if row is None else Indexed(version=row[0], passages=row[2], digest=row[1])

    def search(
        self, words: str, *, limit: int = 10, user_id: int | None = None, language: str | None = None
    ) -> list[Hit]:
        query = queries.parse(words).telling
        if not query.terms or limit <= 0:
            return []
        with self._reading() as connection:
            asked = Asked(query, scope(user_id, language))
            rows, phrase, match = candidates(connection, asked, limit)
            return [_hit(connection, match, row, score) for row, score in ranked(rows, phrase, limit)]

    def wipe(self) -> None:
        with self._writing() as connection:
            for table in ("words", "passages", "videos"):
                connection.execute(f"DELETE FROM {table}")

    def count(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM videos").fetchone()[0])

    def ping(self) -> None:
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM words LIMIT 1").fetchone()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view for everything read inside."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one writer at a time."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute(begin)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.OperationalError as error:
            raise TransientError(f"the search index {self.path.name} is not available: {one_line(error)}") from error
        except sqlite3.DatabaseError as error:
            raise PermanentError(
                f"the search index {self.path.name} is damaged ({one_line(error, 100)}): "
                "move the file away and run video-assets rebuild --index"
            ) from error

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection: a new one after a fork, or when the file was replaced meanwhile."""
        identity = (os.getpid(), _file_identity(self.path))
        if getattr(self._local, "identity", None) != identity or identity[1] is None:
            self._local.connection = self._opened()
            self._local.identity = (os.getpid(), _file_identity(self.path))
        connection: sqlite3.Connection = self._local.connection
        return connection

    def _opened(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PermanentError(f"no folder for the search index: {one_line(error)}") from error
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {256 * 2**20}")
        if _schema_version(connection) == 0:
            # The switch to WAL waits for nobody: while others open the same new file, it is tried again.
            for pause in (0.01, 0.03, 0.1, 0.3, 1.0, None):
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError:
                    if pause is None:
                        raise
                    time.sleep(pause)
            connection.execute("BEGIN IMMEDIATE")
            if _schema_version(connection) == 0:
                for statement in _SCHEMA:
                    connection.execute(statement)
            connection.commit()
        return connection


def _hit(connection: sqlite3.Connection, match: str, row: Row, score: float) -> Hit:
    passage, _, video_id, number, start, stop, marks, title = row
    marked_title, marked_text = connection.execute(
        "SELECT highlight(words, 0, ?, ?), highlight(words, 1, ?, ?) FROM words WHERE words MATCH ? AND rowid = ?",
        (*(snippets.OPEN, snippets.CLOSE) * 2, match, passage),
    ).fetchone()
    marked = marked_text if number != ABOUT or snippets.OPEN in marked_text else marked_title
    text, found = snippets.spans(marked.replace(queries.SEPARATOR, ""))
    first = snippets.best_place(text, found)
    if number != ABOUT and found:
        start = snippets.moment(found[first][0], json.loads(marks), start)
    return Hit(
        video_id=video_id, title=title, start=round(start, 3), end=stop,
        snippet=snippets.snippet(text, found, first), score=score,
    )  # fmt: skip


def _insert(connection: sqlite3.Connection, document: Document, version: str) -> None:
    connection.execute(
        "INSERT INTO videos VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.video_id, version, digest(document), _usable(document.title), document.language,
            document.user_id, document.created_at and document.created_at.isoformat(), document.duration,
        ),
    )  # fmt: skip
    about = [document.summary, document.description or "", ", ".join(document.tags)]
    about += [title for _, title in document.chapters]
    rows: list[tuple[int, float, float, str, str, str]] = [
        (ABOUT, 0.0, document.duration, "[]", document.title, "\n".join(part for part in about if part))
    ]
    rows += [
        (passage.number, passage.start, passage.end, json.dumps(passage.marks), "", passage.text)
        for passage in document.passages
    ]
    names = " ".join(scope(document.user_id, document.language))
    for number, start, stop, marks, title, text in rows:
        added = connection.execute(
            "INSERT INTO passages (video_id, number, start, stop, marks) VALUES (?, ?, ?, ?, ?)",
            (document.video_id, number, start, stop, marks),
        )
        connection.execute(
            "INSERT INTO words (rowid, title, text, scope) VALUES (?, ?, ?, ?)",
            (added.lastrowid, queries.separated(_usable(title)), queries.separated(_usable(text)), names),
        )


def _delete(connection: sqlite3.Connection, video_id: int) -> None:
    connection.execute(
        "DELETE FROM words WHERE rowid IN (SELECT id FROM passages WHERE video_id = ?)", (video_id,)
    )  # fmt: skip
    connection.execute("DELETE FROM passages WHERE video_id = ?", (video_id,))
    connection.execute("DELETE FROM videos WHERE video_id = ?", (video_id,))


def _usable(text: str) -> str:
    """The text with what would be mistaken for markers as spaces: offsets stay right."""
    return _UNUSABLE.sub(" ", text)


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
