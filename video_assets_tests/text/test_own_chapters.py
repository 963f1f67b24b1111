"""Chapters that a file brings along, in place of those found in the words."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from video_assets.text.summary import Chapter, Summary, with_own_chapters

FOUND = Summary(text="Herons.", chapters=(Chapter(start=0, end=60, title="Herons"),), model_info={"version": "1"})
seconds = st.floats(-10, 120)


def heading(start: float, end: float, title: str = "") -> SimpleNamespace:
    return SimpleNamespace(start=start, end=end, title=title)


def test_the_file_s_own_are_taken_and_it_is_said_from_where() -> None:
    summary = with_own_chapters(FOUND, [heading(0, 20, "The harbour"), heading(20, 60, "Bread")], 60)
    assert [(each.start, each.end, each.title) for each in summary.chapters] == [
        (0, 20, "The harbour"),
        (20, 60, "Bread"),
    ]
    assert summary.model_info == {"version": "1", "chapters_from": "the file"}
    assert summary.text == FOUND.text


def test_one_chapter_divides_nothing() -> None:
    assert with_own_chapters(FOUND, [heading(0, 60, "All of it")], 60) == FOUND
    assert with_own_chapters(FOUND, [heading(0, 60), heading(90, 99)], 60) == FOUND


def test_they_are_put_in_order_without_overlaps_and_named_where_they_have_no_title() -> None:
    summary = with_own_chapters(FOUND, [heading(30, 90), heading(0, 40, "First"), heading(30, 31, "Again")], 60)
    assert [(each.start, each.end, each.title) for each in summary.chapters] == [(0, 30, "First"), (30, 60, "Part 2")]


@given(st.lists(st.builds(heading, seconds, seconds, st.sampled_from(["", "Title"])), max_size=8))
def test_whatever_a_file_says_they_rise_inside_the_video(headings: list[SimpleNamespace]) -> None:
    chapters = with_own_chapters(Summary(), headings, 60).chapters
    reached = 0.0
    for chapter in chapters:
        assert reached <= chapter.start <= chapter.end <= 60
        assert chapter.title
        reached = chapter.end
    starts = {round(each.start, 3) for each in headings if 0 <= each.start < 60}
    assert len(chapters) == (len(starts) if len(starts) > 1 else 0)
