"""The queries to FTS5: which rows match, how many there are, and which similar words the index has."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from video_assets.language.names import primary
from video_assets.search import words
from video_assets.search.base import ABOUT, Filters, timestamp
from video_assets.search.queries import Query, Term
from video_assets.search.ranking import PER_VIDEO, SPELLINGS, VIDEOS, Candidate
from video_assets.search.sqlite.access import seen

RANKED = 3000
"""The most rows that are ranked; more would take too long."""
COUNTED = 100
"""How far the rows with a spelling are counted, where a viewer does not see all of them."""
SHIFT = 20
"""Row id = video id << SHIFT | passage number + 1, so that the video of a row is known without a look-up."""

_VIDEO = f"(words.rowid >> {SHIFT})"


def row_id(video_id: int, number: int) -> int:
    """The row id of a passage, or of the video's description (`ABOUT`)."""
    return (video_id << SHIFT) + number + 1


def place(row: int) -> tuple[int, int]:
    """(video id, passage number) of a row id."""
    return row >> SHIFT, (row & ((1 << SHIFT) - 1)) - 1


def scope(user_id: int | None, language: str | None) -> tuple[str, ...]:
    """Owner and language as words of the index, so that filtering by them needs no other table."""
    owner = () if user_id is None else (f"owner{user_id}".replace("-", "minus"),)
    code = primary(language)
    return (*owner, f"language{code.encode('utf-8', 'replace').hex()}") if code else owner


@dataclass(frozen=True)
class Answer:
    """The candidates for a query, and how common its terms are."""

    query: Query
    """The query, with the spellings that were searched too."""
    candidates: list[Candidate]
    counts: list[int]
    """For each term, the rows that have it."""
    total: int
    """All rows of the index that may be seen."""


class FilteredQuery:
    """A query with its filters. Use it within one transaction of the connection."""

    def __init__(self, connection: sqlite3.Connection, query: Query, filters: Filters) -> None:
        self.connection = connection
        self.query = query
        self.scope = scope(filters.user_id, filters.language)
        self.languages = _languages(connection)
        self.viewer = filters.viewer
        self.among, self.values = _among(filters)

    def answer(self, videos: int) -> Answer:
        """The candidates of more than `videos` videos, since the order among them is decided later."""
        total, span = self._size()
        counts = [self._count(term, span) for term in self.query.terms]
        missing = [term for term, count in zip(self.query.terms, counts, strict=True) if not count]
        if missing:
            said = self._said if self.viewer else None
            self.query = self.query.widened(missing, spellings(self.connection, missing, said))
            counts = [count or self._count(term, span) for term, count in zip(self.query.terms, counts, strict=True)]
        terms = [term for term, count in zip(self.query.terms, counts, strict=True) if count]
        return Answer(self.query, self._candidates(terms, counts, max(VIDEOS, videos + videos // 2)), counts, total)

    def _candidates(self, terms: list[Term], counts: list[int], videos: int) -> list[Candidate]:
        if not terms:
            return []
        ranks = dict[int, float]()
        if len(terms) > 1 and len(terms) == len(counts):
            ranks = self._rows(" AND ".join(self._clause(term) for term in terms))
            if len(terms) > 1 and len(ranks) >= RANKED and (phrase := self._phrase(terms)):
                ranks = self._rows(phrase) | ranks
        if len({row >> SHIFT for row in ranks}) < videos:
            rarest = self._rarest(terms, counts)
            ranks = self._rows(" OR ".join(self._clause(term) for term in rarest)) | ranks
        return self._read(_few_of_each(ranks, videos))

    def _rarest(self, terms: list[Term], counts: Sequence[int]) -> list[Term]:
        """The rarest terms: as many as have no more than `RANKED` rows together, but at least one."""
        by_count = sorted(zip((count for count in counts if count), range(len(terms)), strict=True))
        found, rows = list[Term](), 0
        for count, at in by_count:
            if not found or rows + count <= RANKED:
                found.append(terms[at])
                rows += count
        return found

    def _clause(self, term: Term) -> str:
        """The FTS5 expression for a term. Each word is quoted, so that none is taken for an operator."""
        said = [f'"{" ".join(term.parts)}"{" *" if term.prefix else ""}']
        said += [f'"{word}"' for word in term.spelled]
        clause = f"{{title text}} : ({' OR '.join(said)})"
        if term.word and (stems := [words.tagged_stem(term.word, code) for code in self.languages]):
            clause += " OR stems : (" + " OR ".join(f'"{stem}"' for stem in dict.fromkeys(stems)) + ")"
        return f"({clause})"

    def _phrase(self, terms: Sequence[Term]) -> str:
        """The FTS5 expression for the terms as a phrase."""
        return "{title text} : (" + " + ".join(f'"{" ".join(term.parts)}"' for term in terms) + ")"

    def _rows(self, match: str) -> dict[int, float]:
        """The matching rows with their ranks (lower is better). Ranking takes microseconds for each row, and frequent
        words match every row, so only the newest `RANKED` rows are ranked."""
        found = self.connection.execute(
            f"SELECT rowid, rank FROM words WHERE words MATCH ?{self.among} ORDER BY rowid DESC LIMIT {RANKED}",
            (self._within(match), *self.values),
        )
        return dict(found.fetchall())

    def _count(self, term: Term, span: int) -> int:
        """How many rows have the term: counted up to `RANKED`, estimated beyond."""
        row = self.connection.execute(
            f"SELECT count(*), max(rowid) FROM (SELECT rowid FROM words WHERE words MATCH ?{self.among}"
            f" LIMIT {RANKED + 1})",
            (self._within(self._clause(term)), *self.values),
        ).fetchone()
        count = int(row[0])
        return count if count <= RANKED else max(count, round(count * span / row[1]))

    def _within(self, match: str) -> str:
        return " AND ".join([f"({match})", *(f'scope : "{name}"' for name in self.scope)])

    def _size(self) -> tuple[int, int]:
        """The number of rows that may be seen, and an upper bound of their ids."""
        condition, values = seen(self.viewer, "videos.video_id") if self.viewer else ("TRUE", [])
        row = self.connection.execute(
            f"SELECT sum(passages + 1), max(video_id) FROM videos WHERE {condition}", values
        ).fetchone()
        return int(row[0] or 0), ((row[1] or 0) + 1) << SHIFT

    def _said(self, word: str) -> int:
        """How many of the rows that the viewer sees have exactly this word, counted up to `COUNTED`."""
        condition, values = seen(self.viewer, _VIDEO) if self.viewer else ("TRUE", [])
        row = self.connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? AND {condition}"
            f" AND instr(' ' || title || ' ' || text || ' ', ' ' || ? || ' ') LIMIT {COUNTED})",
            (f'{{title text}} : "{word}"', *values, word),
        ).fetchone()
        return int(row[0])

    def _read(self, rows: Iterable[int]) -> list[Candidate]:
        found = self.connection.execute(
            "SELECT words.rowid, words.title, words.text, videos.language"
            " FROM json_each(?) AS chosen CROSS JOIN words ON words.rowid = chosen.value"
            f" JOIN videos ON videos.video_id = words.rowid >> {SHIFT}",
            (json.dumps(sorted(rows)),),
        )
        return [
            Candidate(*place(row), language, tuple(title.split()), tuple(text.split()))
            for row, title, text, language in found
        ]


def _few_of_each(ranks: dict[int, float], videos: int) -> set[int]:
    """The best rows of the best videos, and the description of each of these videos."""
    taken: dict[int, int] = {}
    chosen = set[int]()
    for row in sorted(ranks, key=lambda row: (ranks[row], -row)):
        video_id = row >> SHIFT
        if video_id not in taken and len(taken) >= videos:
            continue
        taken[video_id] = taken.get(video_id, 0) + 1
        if taken[video_id] <= PER_VIDEO:
            chosen.add(row)
    return chosen | {row_id(video_id, ABOUT) for video_id in taken}


def _among(filters: Filters) -> tuple[str, list[float]]:
    """The SQL condition for the filters that are not words of the index, and its values."""
    conditions, values = list[str](), list[float]()
    for condition, value in (
        ("created_at >= ?", filters.created_from),
        ("created_at < ?", filters.created_before),
        ("duration >= ?", filters.shortest),
        ("duration <= ?", filters.longest),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(timestamp(value) if isinstance(value, datetime) else value)
    among = ""
    if conditions:
        videos = f"SELECT video_id FROM videos WHERE {' AND '.join(conditions)}"
        among = f" AND {_VIDEO} IN ({videos})"
    if filters.viewer is not None:
        condition, of_viewer = seen(filters.viewer, _VIDEO)
        among, values = f"{among} AND {condition}", [*values, *of_viewer]
    return among, values


def _languages(connection: sqlite3.Connection) -> list[str]:
    """The languages whose stems the index holds."""
    found = connection.execute(
        "WITH RECURSIVE held (code) AS (SELECT min(language) FROM videos UNION ALL SELECT (SELECT min(language)"
        " FROM videos WHERE language > code) FROM held WHERE code IS NOT NULL) SELECT code FROM held"
    )
    codes = {primary(row[0]) for row in found if row[0]}
    return sorted(codes & words.STEMMED)


def spellings(
    connection: sqlite3.Connection, terms: Iterable[Term], said: Callable[[str], int] | None = None
) -> dict[str, tuple[str, ...]]:
    """For each word that the index does not have, the most similar words that it has: with the same first letter, the
    fewest typing errors, and of those the most frequent. `said`: how often a word is said in what may be seen, where
    that is not everything; the index has no other words then."""
    found = {}
    for term in terms:
        typed, most = term.word, words.edits_allowed(term.word)
        if not most or (said(typed) if said else _known(connection, typed)):
            continue
        mask = letters(typed)
        near = []
        for word, its_letters, videos in connection.execute(
            "SELECT word, letters, videos FROM vocabulary"
            " WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?",
            (typed[0], chr(ord(typed[0]) + 1), len(typed) - most, len(typed) + most),
        ):
            # Each error changes at most two letters of the set, which excludes most words without comparing them.
            if (mask ^ its_letters).bit_count() <= 2 * most:
                slips = words.edits(typed, word, most)
                if slips <= most:
                    near.append((slips, -videos, word))
        if chosen := _fewest_slips(near, said):
            found[typed] = chosen
    return found


def _known(connection: sqlite3.Connection, word: str) -> bool:
    return connection.execute("SELECT 1 FROM vocabulary WHERE word = ?", (word,)).fetchone() is not None


def _fewest_slips(near: list[tuple[int, int, str]], said: Callable[[str], int] | None) -> tuple[str, ...]:
    """The best of these words, given as (typing errors, minus the number of videos, word)."""
    for _, alike in groupby(sorted(near), key=lambda each: each[0]):
        counted = [(-said(word) if said else videos, word) for _, videos, word in alike]
        if there := sorted(each for each in counted if each[0]):
            return tuple(word for _, word in there)[:SPELLINGS]
    return ()


def letters(word: str) -> int:
    """The set of a word's letters, as a bit mask."""
    mask = 0
    for letter in word:
        mask |= 1 << (ord(letter) % 61)
    return mask
