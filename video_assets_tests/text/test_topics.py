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


class Looked(str):
    """A word that counts how often it, or another, is looked up."""

    times = 0

    def __hash__(self) -> int:
        Looked.times += 1
        return super().__hash__()


def looked_up(sentences: int) -> tuple[int, int]:
    """(times a word was looked up, words) for dividing so many sentences of twenty words."""
    lines = [[Looked(f"w{at % 50}") for at in range(20)] for _ in range(sentences)]
    Looked.times = 0
    starts = topics.topic_starts(lines, [(at, at + 1) for at in range(sentences)])
    assert starts[0] == 0
    return Looked.times, 20 * sentences


@pytest.mark.parametrize("sentences", [200, 1000, 5000])
def test_the_work_is_bounded_whatever_the_length(sentences: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word that is weighed is looked up three times; beside what is allowed, each is weighed a few times more."""
    monkeypatch.setattr(topics, "MOST_WORK", 20_000)
    times, words = looked_up(sentences)
    assert times <= 3 * (20_000 + 5 * words)


def test_without_that_bound_the_work_grows_with_the_square_of_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MOST_UNITS", 10**9)
    monkeypatch.setattr(topics, "MOST_WORK", 10**12)
    (short, _), (long, words) = looked_up(60), looked_up(120)
    assert long > 3.5 * short
    assert long > 3 * (20_000 + 5 * words)


@pytest.mark.parametrize("lines", [[], [[]], [[], [], []], [["a"]], [["a"]] * 4])
def test_little_or_nothing_to_divide(lines: list[list[str]]) -> None:
    assert topics.topic_starts(lines, [(float(at), at + 1.0) for at in range(len(lines))]) in ([], [0])
