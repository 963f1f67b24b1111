"""Search for the second at which something is said: the documents, ranking and display of hits, and two indices, in
SQLite and in Elasticsearch.

How documents are made from transcripts and summaries, and when they are put into the index, belongs to `recipes`.
"""

from pathlib import Path

from video_assets.errors import PermanentError, one_line
from video_assets.search.base import (
    EVERYTHING,
    Access,
    Document,
    Filters,
    Found,
    Hit,
    Indexed,
    Passage,
    SearchIndex,
    Viewer,
)
from video_assets.search.documents import Spoken, digest, passages
from video_assets.search.sqlite.index import EmbeddedIndex
from video_assets.search.verify import search_checks

__all__ = [
    "EVERYTHING",
    "Access",
    "Document",
    "Filters",
    "Found",
    "Hit",
    "Indexed",
    "Passage",
    "SearchIndex",
    "Spoken",
    "Viewer",
    "digest",
    "open_index",
    "passages",
    "search_checks",
]


def open_index(url: str, *, ca: Path | None = None) -> SearchIndex:
    """The index at this URL: `sqlite:///path`, or `http(s)://[user:password@]host:9200[/name]` for Elasticsearch.

    `ca`: file with the certificate authority of the Elasticsearch server. Raises PermanentError for any other URL; the
    message does not repeat it, since it may hold a password.
    """
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return EmbeddedIndex(Path(url.removeprefix("sqlite:///")))
    if url.startswith(("http://", "https://")):
        from video_assets.search.elastic.index import ElasticIndex

        return ElasticIndex(url, ca=ca)
    kind = one_line(url.partition(":")[0], 20)
    raise PermanentError(
        f"VIDEO_ASSETS_SEARCH_URL: {kind} is no search index: give sqlite:///path or http(s)://host:9200"
    )
