from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.text.sentences import LONGEST_WORDS, sentences, speech


@dataclass
class Piece:
    start: float
    end: float
    text: str


@dataclass
class Said:
    segments: list[Piece] = field(default_factory=list)
    language: str | None = None


def said(*texts: str, seconds: float = 4.0, pause: float = 0.0) -> Said:
    """One segment a text, one after the other."""
    every = seconds + pause
    return Said([Piece(at * every, at * every + seconds, text) for at, text in enumerate(texts)])


def texts(*segments: str, **times: float) -> list[str]:
    return [sentence.text for sentence in sentences(said(*segments, **times))]


def test_sentences_run_across_captions_and_carry_their_times() -> None:
    found = sentences(said("The tide rises at", "seven. Boats leave the", "harbour."))
    assert [each.text for each in found] == ["The tide rises at seven.", "Boats leave the harbour."]
    assert found[0].start == 0.0
    assert found[0].end == pytest.approx(found[1].start, abs=0.3)
    assert 4 < found[1].start < 8
    assert found[1].end == 12.0


@pytest.mark.parametrize(
    "whole",
    [
        "Mr. Smith met Dr. Jones at 3.5 knots.",
        "It costs $3.50, i.e. more than No. 7 on p. 12.",
        "J. R. R. Tolkien wrote it.",
        "The U.S. Navy came at 5 p.m. yesterday.",
        "We use ropes, nets, etc. for fishing.",
        "See example.com and v1.2.3 for more.",
        "Wait... not yet.",
        "“Why?” she asked.",
        "1. Mix the flour.",
    ],
)
def test_points_that_end_no_sentence(whole: str) -> None:
    assert texts(whole) == [whole]


@pytest.mark.parametrize(
    "parts",
    [
        ["He came in 1999.", "It rained."],
        ["Was it you?", "No!", "It was I."],
        ["They left at 5 p.m.", "The tide was low."],
        ["“It is late.”", "She left."],
        ["Bring ropes etc.", "The rest is here."],
        ["He said no.", "They went on."],
        ["¿Dónde está?", "¡Aquí!"],
        ["今日は良い天気です。", "明日は雨でしょう！", "本当？"],
        ["यह पहला वाक्य है।", "यह दूसरा है।"],
        ["ما هذا؟", "هذا كتاب."],
    ],
)
def test_points_that_do_end_sentences(parts: list[str]) -> None:
    joint = "" if parts[0][-1] == "。" else " "
    assert texts(joint.join(parts)) == parts


def test_text_in_lower_case_is_still_cut_at_points() -> None:
    parts = ["so we begin.", "then we mix it.", "mr. smith helps."]
    assert texts(" ".join(parts)) == parts


def test_sounds_and_music_are_no_sentences() -> None:
    assert texts("[Music]", "(applause)", "♪ la la la ♪", "We begin.", "***", "[door slams]") == ["We begin."]
    assert texts("[laughs] It is (as they say) a long", "story. [sighs]") == ["It is (as they say) a long story."]
    assert texts("[one] well [two]", "♪ sung ♪ and said.") == ["well and said."]


def test_a_long_silence_ends_a_sentence() -> None:
    assert texts("and so", "we begin", pause=3.0) == ["and so", "we begin"]


def test_captions_without_punctuation_are_cut_into_pieces_of_some_length() -> None:
    found = texts(*["so we put the dough into the oven and we wait"] * 30)
    assert all(12 <= len(text.split()) <= LONGEST_WORDS for text in found)
    assert sum(len(text.split()) for text in found) == 30 * 11


def test_nothing_said_gives_no_sentences() -> None:
    assert texts() == []
    assert texts("...", "[Music]") == []


TOKENS = "Dr. a the tide rises. 3.5 no? etc. B. 今日は。 end! and (x) so... i.e."
words = st.lists(st.sampled_from(TOKENS.split()), max_size=90)


@given(st.lists(words.map(" ".join).filter(lambda text: any(each.isalnum() for each in text)), max_size=8))
def test_every_word_is_in_one_sentence_in_order(segments: list[str]) -> None:
    found = sentences(said(*segments))
    spoken = [each.text for each in speech(said(*segments).segments)]
    assert "".join("".join(each.text.split()) for each in found) == "".join("".join(text.split()) for text in spoken)
    starts = [each.start for each in found]
    assert starts == sorted(starts)
    assert all(0 <= each.start <= each.end <= 4.0 * max(1, len(segments)) for each in found)
    assert all(len(each.text.split()) <= LONGEST_WORDS for each in found)
