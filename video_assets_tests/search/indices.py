"""Every kind of search index, for tests that all of them have to pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from video_assets.search import Indexed, SearchIndex, open_index

BACKENDS = ("embedded", "elasticsearch")


@contextmanager
def fresh_url(backend: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty index that nobody else uses; nothing is left of it afterwards."""
    if backend == "embedded":
        yield f"sqlite:///{folder / 'search.db'}"
        return
    server, name = request.getfixturevalue("elasticsearch_server"), f"test-{uuid4().hex}"
    yield f"{server}/{name}"
    with Elasticsearch(server) as client:
        for index in client.indices.get(index=f"{name}*", allow_no_indices=True):
            client.indices.delete(index=index)


@contextmanager
def opened(backend: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[SearchIndex]:
    """An empty index."""
    with fresh_url(backend, request, folder) as url:
        yield open_index(url)


def entry(index: SearchIndex, video_id: int) -> Indexed:
    """What the index holds of a video that it has."""
    found = index.read(video_id)
    assert found is not None, f"the index has no video {video_id}"
    return found
