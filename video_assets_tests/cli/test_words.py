"""What is printed is harmless and short."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from video_assets.cli.render.format import age, clock, done, plain, safe, size, snippet_plain, snippet_text

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


def test_somebody_elses_text_loses_its_control_characters_and_line_ends() -> None:
    assert plain("a\x1b[2Jb\r\nc\x07\u202ed") == "a [2Jb c d"


def test_rich_markup_in_a_title_is_text() -> None:
    assert safe("[red]x[/red]").plain == "[red]x[/red]"
    assert not safe("[red]x[/red]").spans


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3661, "1:01:01"), (-3, "0:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d")])
def test_age(seconds: int, text: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (3e15, "3000.0 TB")])
def test_size(count: float, text: str) -> None:
    assert size(count) == text


def test_progress_says_only_what_is_known() -> None:
    assert done("variants", 0.43, 2.13, 61.0) == "variants 43%, 2.1x, 1:01 left"
    assert done("variants", 1.7, None, None) == "variants 100%"


def test_matches_in_a_snippet_are_bold_and_its_escapes_are_undone() -> None:
    text = snippet_text("fish &amp; <mark>chips</mark> &lt;mark&gt; [bold]\x1b")
    assert text.plain == "fish & chips <mark> [bold] "
    assert [(span.start, span.end) for span in text.spans] == [(7, 12)]


def test_a_plain_snippet_keeps_the_spaces_beside_matches() -> None:
    assert snippet_plain("the <mark>herons</mark> wait") == "the herons wait"
