"""Formats values for a terminal. Pure; text from users is made harmless here."""

from __future__ import annotations

import html
import re
from datetime import datetime

from rich.text import Text

from video_assets.errors import one_line

_STYLES = {"ready": "green", "failed": "red", "pending": "dim", "uploading": "dim"}


def plain(value: object, limit: int = 200) -> str:
    """Text from outside as one line of at most `limit` characters, without control and escape characters."""
    return one_line(str(value), limit)


def safe(value: object, limit: int = 200, style: str = "") -> Text:
    """The same for a rich console. It is never markup: a title such as `[red]` is printed unchanged."""
    return Text(plain(value, limit), style=style)


def status_text(status: str) -> Text:
    """A status, in its colour."""
    return Text(plain(status, 20), style=_STYLES.get(status, "yellow"))


def clock(seconds: float) -> str:
    """Seconds as `1:05` or `2:01:05`."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age(then: datetime, now: datetime) -> str:
    """The time since `then`, in its largest unit: `12s`, `5m`, `3h`, `8d`."""
    seconds = max(int((now - then).total_seconds()), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def size(count: float) -> str:
    """A number of bytes as `512 B`, `1.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def done(stage: str, fraction: float, speed: float | None, eta_seconds: float | None) -> str:
    """Progress as `variants 43%, 2.1x, 0:12 left`."""
    parts = [f"{plain(stage, 20)} {min(max(fraction, 0.0), 1.0):.0%}"]
    if speed:
        parts.append(f"{speed:.1f}x")
    if eta_seconds is not None and fraction < 1:
        parts.append(f"{clock(eta_seconds)} left")
    return ", ".join(parts)


def snippet_text(snippet: str) -> Text:
    """A search snippet (HTML with `<mark>` only) for a console; matches are bold."""
    text = Text()
    marked = False
    for part in re.split(r"(</?mark>)", snippet):
        if part in ("<mark>", "</mark>"):
            marked = part == "<mark>"
            continue
        # Not `one_line`, which would remove the space between a word and the match beside it.
        words = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in html.unescape(part)))
        text.append(words, style="bold yellow" if marked else "")
    return text


def snippet_plain(snippet: str) -> str:
    """The same as plain text."""
    return snippet_text(snippet).plain.strip()
