"""The embedded search index: one SQLite file with FTS5, which many processes read and write."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.language.names import primary
from video_assets.retrying import Policy
from video_assets.search import hits, queries, ranking, words
from video_assets.search.base import ABOUT, EVERYTHING, Access, Document, Filters, Found, Hit, Indexed, timestamp
from video_assets.search.documents import about, digest
from video_assets.search.matching import Matcher
from video_assets.search.ranking import Ranked
from video_assets.search.sqlite import access as accesses
from video_assets.search.sqlite import fts
from video_assets.search.sqlite.fts import FilteredQuery, row_id

BUSY_SECONDS = 30
_OPENING = Policy(tries=6, first=0.01, growth=3.2, longest=1.0)
"""The switch to WAL fails at once while another process opens the same new file, so it is tried again."""

SCHEMA_VERSION = 2
"""Raise it when a file of the earlier version has to be made again. A table that is only added is added on opening."""
_SCHEMA = (
    "CREATE TABLE videos (video_id INTEGER PRIMARY KEY, version TEXT NOT NULL, digest TEXT NOT NULL,"
    " title TEXT NOT NULL, language TEXT, user_id INTEGER, created_at REAL, duration REAL NOT NULL,"
    " passages INTEGER NOT NULL)",
    "CREATE INDEX videos_language ON videos (language)",
    "CREATE TABLE IF NOT EXISTS removed (video_id INTEGER PRIMARY KEY)",
    *accesses.SCHEMA,
    # The text as it is shown. The row of `words` with the same id has the folded words, which are searched.
    "CREATE TABLE passages (id INTEGER PRIMARY KEY, start REAL NOT NULL, stop REAL NOT NULL, marks TEXT NOT NULL,"
    " text TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE words USING fts5"
    " (title, text, stems, scope, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '2 3 4')",
    "INSERT INTO words (words, rank) VALUES ('rank', 'bm25(4.0, 1.0, 0.7, 0.0)')",
    "CREATE TABLE vocabulary (word TEXT PRIMARY KEY, letters INTEGER NOT NULL, videos INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class EmbeddedIndex:
    """A `SearchIndex` in one SQLite file, which is created on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def put(self, document: Document, *, version: str) -> bool:
        with self._writing() as connection:
            return _put(connection, document, version)

    def remove(self, video_id: int, *, forever: bool = False) -> None:
        with self._writing() as connection:
            _delete(connection, video_id)
            if forever:
                connection.execute("INSERT OR IGNORE INTO removed VALUES (?)", (video_id,))
                accesses.forget(connection, video_id)

    def read(self, video_id: int) -> Indexed | None:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT version, digest, (SELECT count(*) FROM passages JOIN words ON words.rowid = passages.id"
                " WHERE passages.id > ? AND passages.id < ?) FROM videos WHERE video_id = ?",
                (row_id(video_id, ABOUT), row_id(video_id + 1, ABOUT), video_id),
            ).fetchone()
        return None if row is None else Indexed(version=row[0], passages=row[2], digest=row[1])

    def set_access(self, video_id: int, access: Access) -> None:
        with self._writing() as connection:
            accesses.note(connection, video_id, access)

    def read_access(self, video_id: int) -> Access | None:
        with self._reading() as connection:
            return accesses.noted(connection, video_id)

    def search(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Hit]:
        with self._ranked(words, limit, filters) as (ranked, matcher, read_details):
            return hits.best_places(ranked, limit, matcher, read_details)

    def videos(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Found]:
        with self._ranked(words, limit, filters) as (ranked, matcher, read_details):
            return hits.best_videos(ranked, limit, matcher, read_details)

    def rebuild(
        self,
        documents: Iterable[tuple[Document, str]],
        *,
        removed: Iterable[int] = (),
        kept: Collection[int] = (),
        access: Iterable[tuple[int, Access]] = (),
    ) -> int:
        self._lay_out_again()
        with self._reading() as connection:
            before = dict(connection.execute("SELECT video_id, version FROM videos").fetchall())
        for video_id in removed:
            self.remove(video_id, forever=True)
            before.pop(video_id, None)
        with self._writing() as connection:
            for video_id, given in access:
                accesses.note(connection, video_id, given)
        for document, version in documents:
            with self._writing() as connection:
                # The version before the rebuild may be of a run that was never published, so it is replaced even if it
                # is higher. A version that was put meanwhile is not.
                _put(connection, document, version, unless_held_but=before.pop(document.video_id, None))
        for video_id, version in before.items():
            if video_id in kept:
                continue
            with self._writing() as connection:
                if _held(connection, video_id) == version:
                    _delete(connection, video_id)
        return self.count()

    def count(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM videos").fetchone()[0])

    def ping(self) -> None:
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM words LIMIT 1").fetchone()

    @contextmanager
    def _ranked(
        self, text: str, videos: int, filters: Filters
    ) -> Iterator[tuple[Sequence[Ranked], Matcher, hits.ReadDetails]]:
        """The ranked videos, and a function that reads details in the same transaction."""
        query = queries.parse(text)
        if not query.terms or videos <= 0:
            yield [], Matcher(query), lambda _: {}
            return
        with self._reading() as connection:
            answer = FilteredQuery(connection, query, filters).answer(videos)
            matcher = Matcher(answer.query)
            ranked = ranking.ranked(
                answer.candidates, answer.query, matcher=matcher, counts=answer.counts, total=answer.total
            )
            yield ranked, matcher, lambda places: _details(connection, places)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: everything read inside is consistent."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; there is one at a time."""
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
        """This thread's connection. A new one is opened after a fork, or if the file was replaced."""
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
        found = _schema_version(connection)
        if found not in (0, SCHEMA_VERSION):
            connection.close()
            raise PermanentError(
                f"the search index {self.path.name} is laid out for another release ({found}, not {SCHEMA_VERSION}): "
                "run video-assets rebuild --index"
            )
        if found == 0:
            _OPENING.call(
                lambda: connection.execute("PRAGMA journal_mode = WAL"),
                again=lambda error: isinstance(error, sqlite3.OperationalError),
            )
            connection.execute("BEGIN IMMEDIATE")
            if _schema_version(connection) == 0:
                for statement in _SCHEMA:
                    connection.execute(statement)
            connection.commit()
        accesses.add_tables(connection)
        return connection

    def _lay_out_again(self) -> None:
        """Empties a file with another release's schema, except for the videos that were removed for ever."""
        if not self.path.exists():
            return
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                if _schema_version(connection) not in (0, SCHEMA_VERSION):
                    for table in ("words", "passages", "videos", "vocabulary"):
                        connection.execute(f"DROP TABLE IF EXISTS {table}")
                    for statement in _SCHEMA:
                        connection.execute(statement)
                connection.commit()
            except sqlite3.DatabaseError:
                return  # the next use raises what is wrong with the file


def _details(connection: sqlite3.Connection, places: Iterable[hits.Place]) -> dict[hits.Place, hits.Details]:
    found = connection.execute(
        "SELECT passages.id, videos.title, videos.language, start, stop, marks, text"
        " FROM json_each(?) AS chosen JOIN passages ON passages.id = chosen.value"
        f" JOIN videos ON videos.video_id = passages.id >> {fts.SHIFT}",
        (json.dumps([row_id(*place) for place in places]),),
    )
    return {
        fts.place(row): hits.Details(title, language, start, stop, json.loads(marks), text)
        for row, title, language, start, stop, marks, text in found
    }


def _held(connection: sqlite3.Connection, video_id: int) -> str | None:
    row = connection.execute("SELECT version FROM videos WHERE video_id = ?", (video_id,)).fetchone()
    return None if row is None else str(row[0])


def _put(
    connection: sqlite3.Connection, document: Document, version: str, *, unless_held_but: str | None = None
) -> bool:
    """Replaces the document unless the index holds a higher version, or the video was removed for ever. The version
    `unless_held_but` does not count as higher. Returns whether it was replaced."""
    if connection.execute("SELECT 1 FROM removed WHERE video_id = ?", (document.video_id,)).fetchone():
        return False
    held = _held(connection, document.video_id)
    if held is not None and held > version and held != unless_held_but:
        return False
    _delete(connection, document.video_id)
    _insert(connection, document, version)
    return True


def _insert(connection: sqlite3.Connection, document: Document, version: str) -> None:
    connection.execute(
        "INSERT INTO videos VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.video_id,
            version,
            digest(document),
            words.usable(document.title),
            document.language and words.usable(document.language),
            document.user_id,
            document.created_at and timestamp(document.created_at),
            document.duration,
            len(document.passages),
        ),
    )
    names = " ".join(fts.scope(document.user_id, document.language))
    code = primary(document.language)
    vocabulary: set[str] = set()
    for passage in (about(document), *document.passages):
        text = words.usable(passage.text)
        title = words.split(document.title) if passage.number == ABOUT else []
        said = words.split(text)
        vocabulary.update(title, said)
        stems = [words.tagged_stem(word, code) for word in (*title, *said)] if code in words.STEMMED else []
        row = row_id(document.video_id, passage.number)
        connection.execute(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
            (row, passage.start, passage.end, json.dumps(passage.marks), text),
        )
        connection.execute(
            "INSERT INTO words (rowid, title, text, stems, scope) VALUES (?, ?, ?, ?, ?)",
            (row, " ".join(title), " ".join(said), " ".join(stems), names),
        )
    connection.executemany(
        "INSERT INTO vocabulary VALUES (?, ?, 1) ON CONFLICT (word) DO UPDATE SET videos = videos + 1",
        [(word, fts.letters(word)) for word in sorted(vocabulary) if words.edits_allowed(word)],
    )


def _delete(connection: sqlite3.Connection, video_id: int) -> None:
    rows = (row_id(video_id, ABOUT), row_id(video_id + 1, ABOUT))
    held = connection.execute("SELECT title, text FROM words WHERE rowid >= ? AND rowid < ?", rows).fetchall()
    vocabulary = {word for row in held for part in row for word in part.split() if words.edits_allowed(word)}
    each = [(word,) for word in sorted(vocabulary)]
    connection.executemany("UPDATE vocabulary SET videos = videos - 1 WHERE word = ?", each)
    connection.executemany("DELETE FROM vocabulary WHERE word = ? AND videos <= 0", each)
    connection.execute("DELETE FROM words WHERE rowid >= ? AND rowid < ?", rows)
    connection.execute("DELETE FROM passages WHERE id >= ? AND id < ?", rows)
    connection.execute("DELETE FROM videos WHERE video_id = ?", (video_id,))


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
