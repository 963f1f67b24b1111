"""Long segments, cut where a listener would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.speech.shorten import LONGEST_SECONDS, shortened
from video_assets.speech.transcript import Segment, Word


def spoken(texts: list[str], *, pace: float = 1.0, pauses: dict[int, float] | None = None, joint: str = " ") -> Segment:
    at, words = 0.0, []
    for number, text in enumerate(texts):
        at += (pauses or {}).get(number, 0.0)
        words.append(Word(start=at, end=at + pace * 0.8, text=text))
        at += pace
    return Segment(start=0, end=words[-1].end, text=joint.join(texts), words=tuple(words))


def test_what_is_short_or_has_no_word_times_stays_whole() -> None:
    short = spoken(["One", "two."])
    assert shortened(short) == [short]
    blind = Segment(start=0, end=60, text="a long one without times")
    assert shortened(blind) == [blind]


def test_it_is_cut_after_a_sentence() -> None:
    segment = spoken(
        [
            "The",
            "tide",
            "rises",
            "at",
            "seven",
            "in",
            "the",
            "morning.",
            "Then",
            "the",
            "boats",
            "leave",
            "the",
            "old",
            "harbour",
            "again.",
        ]
    )
    assert [each.text for each in shortened(segment)] == [
        "The tide rises at seven in the morning.",
        "Then the boats leave the old harbour again.",
    ]


def test_it_is_cut_in_a_pause() -> None:
    segment = spoken([f"w{n}" for n in range(18)], pauses={7: 1.9})
    assert [len(each.words or ()) for each in shortened(segment)] == [7, 11]


def test_scripts_without_spaces_are_cut_between_words() -> None:
    segment = spoken(["今日", "は", "良い", "天気", "です。", "明日", "は", "雨", "が", "降る"], pace=2.0, joint="")
    assert [each.text for each in shortened(segment)] == ["今日は良い天気です。", "明日は雨が降る"]


def test_words_that_do_not_spell_the_text_leave_it_whole() -> None:
    segment = spoken([f"w{n}" for n in range(40)]).model_copy(update={"text": "something else"})
    assert shortened(segment) == [segment]


@given(st.lists(st.sampled_from(["a", "bb.", "ccc,", "今日", "d!"]), min_size=2, max_size=60), st.floats(0.2, 3))
def test_nothing_is_lost_and_nothing_is_too_long(texts: list[str], pace: float) -> None:
    segment = spoken(texts, pace=pace)
    found = shortened(segment)
    assert [word for each in found for word in each.words or ()] == list(segment.words or ())
    assert " ".join(each.text for each in found) == segment.text
    assert all(each.end - each.start <= max(LONGEST_SECONDS, pace) for each in found)
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert (found[0].start, found[-1].end) == (segment.start, segment.end)


@pytest.mark.parametrize("text", ["He said to them “stop.” And so he did on", "oh I will wait… and what then"])
def test_closing_quotes_and_ellipses_end_sentences(text: str) -> None:
    words = text.split()
    after = next(number for number, word in enumerate(words, 1) if word.rstrip("”").endswith((".", "…")))
    found = shortened(spoken(words, pace=2.0), longest=2.0 * len(words) - 1)
    assert [len(each.words or ()) for each in found] == [after, len(words) - after]
