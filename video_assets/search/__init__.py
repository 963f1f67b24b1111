"""Search down to the second something is said."""

from pathlib import Path

from video_assets.errors import PermanentError, one_line
from video_assets.search.base import EVERYTHING, Document, Filters, Found, Hit, Indexed, Passage, SearchIndex
from video_assets.search.documents import Spoken, digest, passages
from video_assets.search.embedded import EmbeddedIndex
from video_assets.search.verify import search_checks

__all__ = [
    "EVERYTHING", "Document", "Filters", "Found", "Hit", "Indexed", "Passage", "SearchIndex", "Spoken", "digest",
    "open_index", "passages", "search_checks",
]  # fmt: skip


def open_index(url: str) -> SearchIndex:
    """The index at this URL: `sqlite:///path`. A PermanentError for any other kind."""
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return EmbeddedIndex(Path(url.removeprefix("sqlite:///")))
    raise PermanentError(f"VIDEO_ASSETS_SEARCH_URL: {one_line(url, 100)} is no search index: give sqlite:///path")
