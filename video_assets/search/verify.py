"""The checks of a search document, before it is published."""

from __future__ import annotations

from video_assets.artifacts import CheckOutcome
from video_assets.search.base import Document, SearchIndex
from video_assets.search.documents import digest

CHECKS = ("index_returns_it", "passages_all_there")


def search_checks(index: SearchIndex, document: Document, version: str) -> list[CheckOutcome]:
    """The checks `index_returns_it` and `passages_all_there`: whether the index holds what was put."""
    held = index.read(document.video_id)
    if held is None:
        returns, summary = False, f"the index holds nothing of video {document.video_id}"
    elif held.version != version:
        returns, summary = False, f"the index holds version {held.version} instead of {version}"
    else:
        returns = held.digest == digest(document)
        summary = f"version {version}" if returns else "the index holds another document under this version"
    there = 0 if held is None else held.passages
    return [
        CheckOutcome(name="index_returns_it", passed=returns, summary=summary),
        CheckOutcome(
            name="passages_all_there",
            passed=there == len(document.passages),
            summary=f"{there} of {len(document.passages)} passages in the index",
            metadata={"passages": there},
        ),
    ]
