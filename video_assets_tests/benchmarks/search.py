"""Search on a hundred thousand passages: how long a query takes beside a bare FTS5 query, and how fast Elasticsearch is
filled beside a bare `parallel_bulk` of the same documents."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import uuid4

from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

from video_assets.search import Document, Passage, open_index, words
from video_assets.search.elastic.index import ElasticIndex
from video_assets.search.elastic.mapping import MAPPINGS, SETTINGS
from video_assets.search.elastic.names import FRESH
from video_assets.search.elastic.server import CHUNK, CHUNK_BYTES, THREADS
from video_assets_tests.benchmarks import servers

PASSAGES_A_VIDEO = 40
WORDS_A_PASSAGE = 70
VOCABULARY = 30_000
QUERIES = 200


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """The embedded index: milliseconds a query (median, 95th percentile), and their ratio to bare FTS5."""
    folder.mkdir(parents=True)
    documents = library(100 if quick else 2_500)
    return embedded(folder, documents, asked(documents, QUERIES))


def run_on_server(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Elasticsearch: documents a second beside a bare `parallel_bulk`, and milliseconds a query."""
    documents = library(100 if quick else 600)
    return elastic(servers.variables("elasticsearch")["TEST_ELASTICSEARCH_URL"], documents, asked(documents, QUERIES))


def embedded(folder: Path, documents: Sequence[Document], queries: Sequence[str]) -> dict[str, float | str]:
    index = open_index(f"sqlite:///{folder / 'search.db'}")
    began = time.perf_counter()
    for document in documents:
        index.put(document, version="1")
    seconds = time.perf_counter() - began
    bare = bare_fts5(folder / "bare.db", documents)
    ours, theirs = side_by_side(queries, lambda query: index.search(query), bare)
    passages = sum(len(document.passages) for document in documents)
    return {
        "passages": passages,
        "embedded: passages a second": round(passages / seconds),
        "embedded: median of a query, ms": round(percentile(ours, 50) * 1000, 1),
        "embedded: 95th percentile of a query, ms (goal 50)": round(percentile(ours, 95) * 1000, 1),
        "bare FTS5: 95th percentile of a query, ms": round(percentile(theirs, 95) * 1000, 1),
        "embedded over bare FTS5, 95th percentiles": round(percentile(ours, 95) / percentile(theirs, 95), 2),
        "embedded over bare FTS5, all queries": round(sum(ours) / sum(theirs), 2),
    }


def bare_fts5(path: Path, documents: Sequence[Document]) -> Callable[[str], object]:
    """Nothing but a table of the texts, and the ten best of it with their snippets; all words have to be there."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE VIRTUAL TABLE bare USING fts5 (text, tokenize = 'porter unicode61')")
    connection.executemany(
        "INSERT INTO bare VALUES (?)", ((passage.text,) for document in documents for passage in document.passages)
    )
    connection.commit()
    asking = "SELECT rowid, snippet(bare, 0, '<', '>', '…', 30) FROM bare WHERE bare MATCH ? ORDER BY rank LIMIT 10"
    return lambda query: connection.execute(asking, (" ".join(f'"{word}"' for word in words.split(query)),)).fetchall()


def elastic(url: str, documents: Sequence[Document], queries: Sequence[str]) -> dict[str, float | str]:
    index = ElasticIndex(f"{url}/bench-{uuid4().hex}")
    client = Elasticsearch(url)  # as it comes
    actions = list(index._whole("", ((document, "1") for document in documents), {}))
    try:
        ours, bare = list[float](), list[float]()
        ways = [
            (bare, lambda: bare_bulk(client, index.server.alias, actions)),
            (ours, lambda: index.rebuild((document, "1") for document in documents)),
        ]
        for turn in range(6):  # each goes first as often as the other: the machine's moods hit both
            for rates, way in ways if turn % 2 else reversed(ways):
                rates.append(rate(len(actions), way))
        index.videos(queries[0])
        took = [timed(partial(index.search, query)) for query in queries]
    finally:
        for name in client.indices.get(index=f"{index.server.alias}*", allow_no_indices=True):
            client.indices.delete(index=name)
    return {
        "documents": len(actions),
        "Elasticsearch: documents a second": round(max(ours)),
        "bare parallel_bulk: documents a second": round(max(bare)),
        "Elasticsearch over bare parallel_bulk (goal 0.95)": round(max(ours) / max(bare), 3),
        "Elasticsearch: median of a query, ms": round(percentile(took, 50) * 1000, 1),
        "Elasticsearch: 95th percentile of a query, ms": round(percentile(took, 95) * 1000, 1),
    }


def bare_bulk(client: Elasticsearch, alias: str, actions: Sequence[dict[str, Any]]) -> None:
    """The same documents, ready-made, into an index of the same kind; searchable at the end."""
    name = f"{alias}-bare"
    client.indices.create(index=name, mappings=MAPPINGS, settings={**SETTINGS, **FRESH})
    ready = ({**action, "_index": name} for action in actions)
    for _ in parallel_bulk(client, ready, thread_count=THREADS, chunk_size=CHUNK, max_chunk_bytes=CHUNK_BYTES):
        pass
    client.indices.refresh(index=name)
    client.indices.delete(index=name)


def library(videos: int) -> list[Document]:
    """Videos whose words are as unevenly common as those of a language."""
    chance = random.Random("library")
    syllables = ["".join((c, v)) for c in "bdfgklmnprst" for v in "aeiou"]
    vocabulary = list({"".join(chance.choices(syllables, k=chance.randint(2, 5))) for _ in range(2 * VOCABULARY)})
    vocabulary = sorted(vocabulary)[:VOCABULARY]
    chance.shuffle(vocabulary)
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))

    def said(count: int) -> str:
        return " ".join(chance.choices(vocabulary, cum_weights=weights, k=count)).capitalize() + "."

    documents = []
    for video_id in range(1, videos + 1):
        passages = tuple(
            Passage(at, at * 30.0, at * 30.0 + 30.0, text := said(WORDS_A_PASSAGE), ((0, at * 30.0), (len(text), 30.0)))
            for at in range(PASSAGES_A_VIDEO)
        )
        documents.append(
            Document(
                video_id=video_id,
                title=said(4),
                summary=said(60),
                language="en",
                duration=1200.0,
                passages=passages,
                user_id=video_id % 50,
            )
        )
    return documents


def asked(documents: Sequence[Document], count: int) -> list[str]:
    """Queries of one to four words that stand near each other somewhere: in a row, apart, unfinished, misspelt."""
    chance = random.Random("queries")
    found = []
    for at in range(count):
        text = chance.choice(chance.choice(documents).passages).text.rstrip(".").lower().split()
        size = chance.randint(1, 4)
        begin = chance.randrange(len(text) - 12)
        chosen = text[begin : begin + size] if at % 2 else chance.sample(text[begin : begin + 12], size)
        if at % 10 == 3:
            chosen[-1] = chosen[-1][: max(2, len(chosen[-1]) - 2)]
        if at % 10 == 7:
            word = chosen[-1]
            chosen[-1] = word[:2] + word[3:4] + word[2:3] + word[4:] + "x"
        found.append(" ".join(chosen))
    return found


def side_by_side(
    queries: Sequence[str], one: Callable[[str], object], other: Callable[[str], object]
) -> tuple[list[float], list[float]]:
    """Seconds of each query both ways, by turns, after one round that warms both up; the better of two tries."""
    for query in queries:
        one(query), other(query)
    rounds = [[(timed(partial(one, query)), timed(partial(other, query))) for query in queries] for _ in range(2)]
    ones, others = ([min(each) for each in zip(*(column(r, at) for r in rounds), strict=True)] for at in (0, 1))
    return ones, others


def column(rows: Sequence[tuple[float, float]], at: int) -> list[float]:
    return [row[at] for row in rows]


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rate(count: int, work: Callable[[], object]) -> float:
    return count / timed(work)


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
