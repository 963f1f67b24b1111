"""What the Dagster UI shows of an artifact: small tables, a poster, a line of transcript, in markdown.

Everything shown came out of a video, so it is text to escape, never markup.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>&~])")


def plain(text: object, limit: int = 300) -> str:
    """Text as markdown that shows just that text, on one line."""
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
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB"


def markdown(text: str) -> dg.MarkdownMetadataValue:
    """Markdown as Dagster metadata."""
    return dg.MetadataValue.md(text)


def image(picture: bytes, content_type: str = "image/jpeg", limit: int = 24_000) -> dg.MarkdownMetadataValue | None:
    """A picture inside the metadata itself; None where it is too large to keep in every event."""
    if len(picture) > limit:
        return None
    return markdown(f"![picture](data:{content_type};base64,{base64.b64encode(picture).decode()})")


def pairs(values: Mapping[str, Any]) -> str:
    """A two-column table of named values."""
    return table(("what", "value"), ((key, value) for key, value in values.items()))
