"""What the embedded index asks of FTS5: which rows may answer a query, and which words it knows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from video_assets.language.names import primary
from video_assets.search import words
from video_assets.search.base import ABOUT, Filters, timestamp
from video_assets.search.queries import Query, Term
from video_assets.search.ranking import PER_VIDEO, SPELLINGS, VIDEOS, Candidate

RANKED = 3000
"""Rows that are ranked at most; more would take longer than anybody waits."""
SHIFT = 20
"""Row id = video id << SHIFT | passage number + 1: which video a row is of needs no look-up."""


def row_id(video_id: int, number: int) -> int:
    """The row of a passage, or of what describes the video (`ABOUT`)."""
    return (video_id << SHIFT) + number + 1


def place(row: int) -> tuple[int, int]:
    """(video id, number) of a row."""
    return row >> SHIFT, (row & ((1 << SHIFT) - 1)) - 1


def scope(user_id: int | None, language: str | None) -> tuple[str, ...]:
    """Owner and language as words of the index: filtering by them then costs no look at other tables."""
    owner = () if user_id is None else (f"owner{user_id}".replace("-", "minus"),)
    code = primary(language)
    return (*owner, f"language{code.encode('utf-8', 'replace').hex()}") if code else owner


@dataclass(frozen=True)
class Answer:
    """What may answer, and how common each term is."""

    query: Query
    """As asked, with the spellings that were looked for."""
    candidates: list[Candidate]
    counts: list[int]
    """Rows that have each term."""
    total: int
    """Rows there are."""


class Asked:
    """A query among the videos of a filter, in one reading of the index."""

    def __init__(self, connection: sqlite3.Connection, query: Query, filters: Filters) -> None:
        self.connection = connection
        self.query = query
        self.scope = scope(filters.user_id, filters.language)
        self.languages = _languages(connection)
        self.among, self.values = _among(filters)

    def answer(self, videos: int) -> Answer:
        """Rows of the best videos; those of more videos than asked for, since their order is not final."""
        total, span = self._size()
        counts = [self._count(term, span) for term in self.query.terms]
        missing = [term for term, count in zip(self.query.terms, counts, strict=True) if not count]
        if missing:
            self.query = self.query.widened(missing, spellings(self.connection, missing))
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
        """The rarest of the terms, as many as can be ranked in time; one at least."""
        by_count = sorted(zip((count for count in counts if count), range(len(terms)), strict=True))
        found, rows = list[Term](), 0
        for count, at in by_count:
            if not found or rows + count <= RANKED:
                found.append(terms[at])
                rows += count
        return found

    def _clause(self, term: Term) -> str:
        """What has the term, in FTS5's language; each word quoted, so that nothing typed is an operator."""
        said = [f'"{" ".join(term.parts)}"{" *" if term.prefix else ""}']
        said += [f'"{word}"' for word in term.spelled]
        clause = f"{{title text}} : ({' OR '.join(said)})"
        if term.word and (stems := [words.tagged_stem(term.word, code) for code in self.languages]):
            clause += " OR stems : (" + " OR ".join(f'"{stem}"' for stem in dict.fromkeys(stems)) + ")"
        return f"({clause})"

    def _phrase(self, terms: Sequence[Term]) -> str:
        """What has the terms side by side."""
        return "{title text} : (" + " + ".join(f'"{" ".join(term.parts)}"' for term in terms) + ")"

    def _rows(self, match: str) -> dict[int, float]:
        """Rows that match, each with its rank (lower is better). Ranking costs microseconds a row, and words that
        are everywhere match every row: of more than can be ranked in time, the newest are."""
        found = self.connection.execute(
            f"SELECT rowid, rank FROM words WHERE words MATCH ?{self.among} ORDER BY rowid DESC LIMIT {RANKED}",
            (self._within(match), *self.values),
        )
        return dict(found.fetchall())

    def _count(self, term: Term, span: int) -> int:
        """How many rows have the term, counted no further than matters and estimated from there."""
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
        """How many rows there are, and the highest row id."""
        row = self.connection.execute("SELECT sum(passages + 1), max(video_id) FROM videos").fetchone()
        return int(row[0] or 0), ((row[1] or 0) + 1) << SHIFT

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
    """The best rows of the best videos, with what describes each of these."""
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
    """SQL for filters that are no words of the index, and its values."""
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
    if not conditions:
        return "", []
    videos = f"SELECT video_id FROM videos WHERE {' AND '.join(conditions)}"
    return f" AND (rowid >> {SHIFT}) IN ({videos})", values


def _languages(connection: sqlite3.Connection) -> list[str]:
    """The languages whose stems the index holds."""
    found = connection.execute(
        "WITH RECURSIVE held (code) AS (SELECT min(language) FROM videos UNION ALL SELECT (SELECT min(language)"
        " FROM videos WHERE language > code) FROM held WHERE code IS NOT NULL) SELECT code FROM held"
    )
    codes = {primary(row[0]) for row in found if row[0]}
    return sorted(codes & words.STEMMED)


def spellings(connection: sqlite3.Connection, terms: Iterable[Term]) -> dict[str, tuple[str, ...]]:
    """Words of the index that were likely meant by those it does not have: with the same first letter, a slip or two
    away, the likeliest and then the commonest first."""
    found = {}
    for term in terms:
        typed, most = term.word, words.edits_allowed(term.word)
        if not most or connection.execute("SELECT 1 FROM vocabulary WHERE word = ?", (typed,)).fetchone():
            continue
        mask = letters(typed)
        near = []
        for word, its_letters, videos in connection.execute(
            "SELECT word, letters, videos FROM vocabulary"
            " WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?",
            (typed[0], chr(ord(typed[0]) + 1), len(typed) - most, len(typed) + most),
        ):
            # Each slip changes two letters at most: most words are told apart without counting slips.
            if (mask ^ its_letters).bit_count() <= 2 * most:
                slips = words.edits(typed, word, most)
                if slips <= most:
                    near.append((slips, -videos, word))
        if near:
            fewest = min(near)[0]
            found[typed] = tuple(word for slips, _, word in sorted(near) if slips == fewest)[:SPELLINGS]
    return found


def letters(word: str) -> int:
    """The set of a word's letters, as bits."""
    mask = 0
    for letter in word:
        mask |= 1 << (ord(letter) % 61)
    return mask
