"""Builds metadata for the Dagster UI: small tables, pictures and text, in markdown.

The text comes from videos, so it is always escaped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>&~])")


def plain(text: object, limit: int = 300) -> str:
    """Text, escaped for markdown, on one line of at most `limit` characters."""
    line = " ".join(str(text).split())
    clipped = line if len(line) <= limit else line[: limit - 1] + "…"
    return _MARKUP.sub(r"\\\1", clipped)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(plain(cell, 80) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def megabytes(count: float) -> str:
    """A number of bytes as `1.4 MB`."""
    return f"{count / 1e6:.1f} MB"


def markdown(text: str) -> dg.MarkdownMetadataValue:
    """Markdown as Dagster metadata."""
    return dg.MetadataValue.md(text)


def image(picture: bytes, content_type: str = "image/jpeg", limit: int = 24_000) -> dg.MarkdownMetadataValue | None:
    """A picture embedded in the metadata; None where it is too large to be stored in every event."""
    if len(picture) > limit:
        return None
    return markdown(f"![picture](data:{content_type};base64,{base64.b64encode(picture).decode()})")


def pairs(values: Mapping[str, Any]) -> str:
    """A two-column table of named values."""
    return table(("what", "value"), ((key, value) for key, value in values.items()))
