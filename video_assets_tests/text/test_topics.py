"""Chapters on synthetic talks. What can be tuned was tuned on TUNING; TESTING was not looked at for it."""

from __future__ import annotations

from typing import Any

import pytest

from video_assets.text.extractive import topics
from video_assets.text.extractive.summarizer import summarize
from video_assets_tests.text.talks import TOPICS, boundary_f1, talk

TUNING = range(100, 120)
TESTING = range(500, 520)


def found(seed: int, **more: Any) -> float:
    synthetic = talk(seed, **more)
    chapters = summarize(synthetic).chapters
    assert chapters[0].start == 0
    return boundary_f1([chapter.start for chapter in chapters][1:], synthetic.boundaries)


@pytest.mark.parametrize("seeds", [TUNING, TESTING], ids=["tuning", "testing"])
def test_chapters_begin_where_topics_change(seeds: range) -> None:
    scores = [found(seed) for seed in seeds]
    assert sum(scores) / len(scores) >= 0.9
    assert min(scores) >= 0.5


def test_the_three_subjects_of_a_short_talk_are_found() -> None:
    scores = [found(seed, topics=("harbour", "baking", "workshop"), sentences=(6, 8)) for seed in range(700, 712)]
    assert sum(scores) / len(scores) >= 0.95


def test_a_talk_about_one_thing_has_one_chapter() -> None:
    topics = ("gardening", "music", "baking")
    assert sum(found(seed, topics=(topic,), sentences=(8, 30)) for seed in range(800, 805) for topic in topics) >= 13


def test_the_boundaries_of_a_talk_of_hours_are_as_fine_as_those_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MOST_UNITS", 60)
    synthetic = talk(1, topics=tuple(TOPICS), sentences=(60, 80))
    starts = [chapter.start for chapter in summarize(synthetic).chapters][1:]
    assert boundary_f1(starts, synthetic.boundaries, tolerance=10.0) >= 0.9


def test_a_topic_that_is_announced_begins_there() -> None:
    words = ["boat", "tide", "net", "boat", "pier", "net", "tide", "boat"]
    lines = [[word] for word in words] + [["dough", "oven"], ["boat", "oven"], ["dough", "oven"]]
    times = [(at * 5.0, at * 5.0 + 4) for at in range(len(lines))]
    assert topics.topic_starts(lines, times) == [0]
    assert topics.topic_starts(lines, times, announced={8}) == [0, 8]


def test_the_work_is_bounded_whatever_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MOST_WORK", 50_000)
    lines = [[f"w{at % 50}" for at in range(40)] for _ in range(500)]
    starts = topics.topic_starts(lines, [(at, at + 1) for at in range(500)])
    assert starts[0] == 0


@pytest.mark.parametrize("lines", [[], [[]], [[], [], []], [["a"]], [["a"]] * 4])
def test_little_or_nothing_to_divide(lines: list[list[str]]) -> None:
    assert topics.topic_starts(lines, [(float(at), at + 1.0) for at in range(len(lines))]) in ([], [0])
