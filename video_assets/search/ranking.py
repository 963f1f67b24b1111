"""How the embedded index finds its candidates and ranks them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from video_assets.search import queries
from video_assets.search.queries import Query

RANKED = 3000
"""Rows that are ranked at most; more would take longer than anybody waits."""
CANDIDATES = 200
PER_VIDEO = 3
ABOUT = -1
"""The number of the row that holds what describes the video as a whole."""
PHRASE_BONUS = 1.5
ABOUT_SHARE = 0.3
"""How much of the match of title and summary counts for the video's passages."""

Row = tuple[int, float, int, int, float, float, str, str]
"""Passage id, score (higher is better), video id, number, start, stop, marks, title."""


@dataclass(frozen=True)
class Asked:
    """A query among the videos of a scope, in FTS5's language."""

    query: Query
    scope: tuple[str, ...]

    def all_of(self) -> str:
        """Matches what has every term."""
        return self._match(self._terms(), " AND ")

    def phrase(self) -> str:
        """Matches what has the terms side by side."""
        return self._match(self._terms(), " + ")

    def any_of(self, terms: Sequence[str]) -> str:
        """Matches what has one of these terms at least."""
        return self._match(terms, " OR ")

    def rarest(self, connection: sqlite3.Connection) -> list[str]:
        """The rarest of the terms, as many as can be ranked in time; at least one that is there at all."""
        counts = sorted((_count(connection, self.any_of([term])), term) for term in self._terms())
        found: list[str] = []
        total = 0
        for count, term in counts:
            if count and (not found or total + count <= RANKED):
                found.append(term)
                total += count
        return found

    def _terms(self) -> list[str]:
        """Each term quoted, so that nothing typed is an operator."""
        terms = [f'"{queries.separated(term)}"' for term in self.query.terms]
        if self.query.prefix:
            terms[-1] += " *"
        return terms

    def _match(self, terms: Sequence[str], operator: str) -> str:
        match = f"{{title text}} : ({operator.join(terms)})"
        return " AND ".join([match, *(f'scope : "{name}"' for name in self.scope)])


def scope(user_id: int | None, language: str | None) -> tuple[str, ...]:
    """Owner and language as words of the index: filtering by them then costs no look at other tables."""
    owner = () if user_id is None else (f"owner{user_id}".replace("-", "minus"),)
    return owner if language is None else (*owner, f"language{language.encode('utf-8', 'replace').hex()}")


def candidates(connection: sqlite3.Connection, asked: Asked, limit: int) -> tuple[list[Row], set[int], str]:
    """The rows that may be hits, the ids of those that hold the very phrase, and the match that shows them."""
    match = asked.all_of()
    if len(asked.query.terms) == 1:
        return _rows(connection, match), set(), match
    phrase = _rows(connection, asked.phrase())
    # Ranked as all terms, not as one phrase, wherever both ranks are there: scores then compare.
    found = {row[0]: row for row in (*phrase, *_rows(connection, match))}
    if len(found) < limit and (terms := asked.rarest(connection)):
        match = asked.any_of(terms)
        found = {row[0]: row for row in _rows(connection, match)} | found
    return list(found.values()), {row[0] for row in phrase}, match


def _rows(connection: sqlite3.Connection, match: str) -> list[Row]:
    """The best candidates, best first."""
    # Ranking costs microseconds a row, and words that are everywhere match every row: of more than can be
    # ranked in time, the newest are.
    newest = f"SELECT rowid AS id, rank FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT {RANKED}"
    found = connection.execute(
        "SELECT best.id, -best.rank, video_id, number, start, stop, marks, videos.title"
        f" FROM (SELECT id, rank FROM ({newest}) ORDER BY rank LIMIT {CANDIDATES}) AS best"
        " JOIN passages ON passages.id = best.id JOIN videos USING (video_id)"
        " ORDER BY best.rank, video_id, number",
        (match,),
    )
    return found.fetchall()


def _count(connection: sqlite3.Connection, match: str) -> int:
    """How many rows match, counted no further than matters."""
    counted = f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT {RANKED + 1})"
    return int(connection.execute(counted, (match,)).fetchone()[0])


def ranked(rows: Sequence[Row], phrase: set[int], limit: int) -> list[tuple[Row, float]]:
    """The best rows with their scores: few of one video, and the video itself (its title or summary)
    only where none of its passages is there; those gain from it instead."""
    about = {row[2]: row[1] for row in rows if row[3] == ABOUT}
    spoken = {row[2] for row in rows if row[3] != ABOUT}
    scored = []
    for row in rows:
        if row[3] == ABOUT and row[2] in spoken:
            continue
        bonus = PHRASE_BONUS if row[0] in phrase else 1.0
        extra = 0.0 if row[3] == ABOUT else ABOUT_SHARE * about.get(row[2], 0.0)
        scored.append((row, row[1] * bonus + extra))
    scored.sort(key=lambda each: (-each[1], each[0][2], each[0][3]))
    taken: Counter[int] = Counter()
    result: list[tuple[Row, float]] = []
    for row, score in scored:
        if taken[row[2]] < PER_VIDEO and len(result) < limit:
            taken[row[2]] += 1
            result.append((row, score))
    return result
