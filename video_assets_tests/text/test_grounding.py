"""Which sentences the transcript bears out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.text.extractive import summarizer
from video_assets.text.grounding.numbers import numbers, numbers_meant
from video_assets.text.grounding.support import GROUNDED, Evidence
from video_assets.text.sentences import sentences
from video_assets_tests.text.making import GROUNDING
from video_assets_tests.text.talks import talk

EVERY = [(each["name"], kind, text) for each in GROUNDING for kind in ("honest", "invented") for text in each[kind]]
EVIDENCE = {each["name"]: Evidence(each["said"], each["language"]) for each in GROUNDING}


def test_the_set_is_large_enough_to_say_something() -> None:
    assert len([kind for _, kind, _ in EVERY if kind == "honest"]) >= 100
    assert len([kind for _, kind, _ in EVERY if kind == "invented"]) >= 100
    assert {each["language"] for each in GROUNDING} == {"en", "de", "fr", "es"}


@pytest.mark.parametrize(("name", "kind", "text"), EVERY)
def test_honest_paraphrases_survive_and_inventions_are_caught(name: str, kind: str, text: str) -> None:
    support = EVIDENCE[name].support(text)
    assert support.grounded == (kind == "honest"), f"{support.score} at {support.at}"


def test_the_bar_stands_well_between_the_two() -> None:
    honest = [EVIDENCE[name].support(text).score for name, kind, text in EVERY if kind == "honest"]
    invented = [EVIDENCE[name].support(text).score for name, kind, text in EVERY if kind == "invented"]
    assert max(invented) + 0.02 < GROUNDED < min(honest) - 0.05
    assert sorted(invented)[-3] < 0.36, "most of them are far from it"


@pytest.mark.parametrize("seed", range(500, 510))
def test_every_extractive_sentence_is_grounded_where_it_was_said(seed: int) -> None:
    spoken = talk(seed)
    said = sentences(spoken)
    evidence = Evidence([each.text for each in said], None)
    for sentence in summarizer.summarize(spoken).sentences:
        support = evidence.support(sentence.text)
        assert support.score == 1.0
        assert any(abs(said[at].start - sentence.start) < 60 or said[at].text == sentence.text for at in support.at)


SAID = [
    "The boats leave the harbour at dawn.",
    "Nobody counts them.",
    "A gull waits on the pier.",
    *["Nothing else happens for a while."] * 20,
    "The baker mixes rye flour with water.",
    "She bakes forty loaves.",
    "The oven cools by noon.",
]


def test_a_sentence_about_distant_things_is_borne_out_by_what_it_cites() -> None:
    evidence = Evidence(SAID, "en")
    wide = "Boats leave the harbour at dawn, while the baker mixes rye flour with water."
    assert evidence.support(wide, [0, 23]).score == 1.0
    assert evidence.support(wide, [0, 23]).at == (0, 23)
    assert evidence.support(wide).score < evidence.support(wide, [0, 23]).score


def test_wrong_citations_do_no_harm_and_prove_nothing() -> None:
    evidence = Evidence(SAID, "en")
    assert evidence.support("The baker bakes forty loaves.", [0, 9999, -4]).score == 1.0
    assert not evidence.support("Dragons burned the village.", list(range(26))).grounded


def test_what_is_kept_back_proves_nothing() -> None:
    assert Evidence(SAID, "en").support("The oven cools by noon.").grounded
    assert not Evidence(SAID, "en", frozenset({23, 24, 25})).support("The oven cools by noon.").grounded


@pytest.mark.parametrize(
    ("text", "grounded"),
    [
        ("The baker bakes 40 loaves.", True),
        ("The baker bakes forty-five loaves.", False),
        ("The baker bakes 400 loaves.", False),
        ("The boats leave the harbour with Captain Ahab at dawn.", False),
        ("At dawn the boats leave.", True),
        ("", False),
        ("It is what it is.", False),
    ],
)
def test_numbers_and_names_have_to_have_been_said(text: str, grounded: bool) -> None:
    assert Evidence(SAID, "en").support(text).grounded == grounded


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("three thousand", "3,000"),
        ("3000", "3.000"),
        ("two hundred and fifty", "250"),
        ("a hundred and sixty", "160"),
        ("twenty-five", "25"),
        ("nine million two hundred thousand", "9200000"),
        ("the ninth of June", "9"),
        ("fifty thousand", "50,000"),
        ("1987", "1987"),
        ("3.5", "3,5"),
        ("two dozen", "24"),
        ("007", "7"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(left: str, right: str) -> None:
    assert numbers(left) == numbers(right) != frozenset()


def test_numbers_that_follow_each_other_are_several() -> None:
    assert numbers("two three four") == {"2", "3", "4"}
    assert "1987" in numbers_meant("nineteen eighty-seven")
    assert numbers("no numbers at all") == frozenset()


@given(st.integers(0, 10**9 - 1))
def test_any_number_in_words_is_that_number(value: int) -> None:
    assert numbers(in_words(value)) == {str(value)}


SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def in_words(value: int) -> str:
    small, tens = SMALL.split(), TENS.split()
    if value < 20:
        return small[value]
    if value < 100:
        return tens[value // 10 - 2] + (f"-{small[value % 10]}" if value % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= size:
            rest = value % size
            joint = " and " if rest and rest < 100 else " "
            return f"{in_words(value // size)} {name}" + (f"{joint}{in_words(rest)}" if rest else "")
    raise AssertionError


@given(st.lists(st.text(max_size=40), max_size=12), st.text(max_size=60), st.lists(st.integers(-3, 20), max_size=5))
def test_any_sentence_has_a_score_and_real_evidence(said: list[str], text: str, cited: list[int]) -> None:
    support = Evidence(said, None).support(text, cited)
    assert 0.0 <= support.score <= 1.0
    assert all(0 <= at < len(said) for at in support.at)
    assert bool(support.at) == (support.score > 0)
