"""What is turned round with the talk's own words, where that can be seen; and what is not taken for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.text.grounding.support import Evidence
from video_assets.text.sentences import sentences
from video_assets_tests.text.making import GROUNDING, UNSEEN
from video_assets_tests.text.talks import talk

SAID = [
    "We treat the hives with acid in December, when there is no brood.",
    "We never heat the honey above forty degrees.",
    "Last year we took two hundred and twenty kilograms of honey.",
    "The old queen leaves with half of the bees, and a young queen stays behind.",
    "Agnes Moorcroft repairs six boxes a week.",
    "The study was paid for by the county, not by a maker of lamps.",
    "School children travelled free.",
]


@pytest.mark.parametrize(
    ("text", "grounded"),
    [
        ("The honey is never heated above 40 degrees.", True),
        ("The honey is heated above forty degrees.", False),
        ("The honey is not heated above forty degrees, since the scent suffers.", True),
        ("The study was paid for by a maker of lamps.", False),
        ("No maker of lamps paid for the study.", True),
        ("School children did not travel free.", False),
        ("School children hardly paid: they travelled free.", True),
        ("They took 220 kilos of honey last year.", True),
        ("They took 220 pounds of honey last year.", False),
        ("They took 220 jars of honey last year.", False),
        ("The old queen leaves with half of the bees and a young queen stays.", True),
        ("The young queen leaves with half of the bees and the old queen stays behind.", False),
        ("Agnes Moorcroft repairs six boxes each week.", True),
        ("Agnes Moorcroft repairs six boxes a day.", False),
        ("Agnes Moorcroft repairs the boxes.", True),
    ],
)
def test_what_was_said_is_told_from_what_turns_it_round(text: str, grounded: bool) -> None:
    assert Evidence(SAID, "en").support(text).grounded == grounded


def test_in_german_a_name_with_another_surname_is_seen() -> None:
    evidence = Evidence(["Birgit Hansen betreut das Moor hinter dem Deich."], "de")
    assert evidence.support("Birgit Hansen betreut das Moor.").grounded
    assert not evidence.support("Birgit Jansen betreut das Moor.").grounded


def test_a_title_is_no_name() -> None:
    assert Evidence(["I work with Doctor Nabil Farouk."], "en").support("They work with Dr Nabil Farouk.").grounded


@pytest.mark.parametrize("each", [*GROUNDING, *UNSEEN], ids=lambda each: each["name"])
def test_no_sentence_of_a_talk_contradicts_it(each: dict[str, Any]) -> None:
    evidence = Evidence(each["said"], each["language"])
    scores = {text: evidence.support(text).score for text in each["said"]}
    assert [text for text, score in scores.items() if score < 1 and _has_meaning(evidence, text)] == []


def _has_meaning(evidence: Evidence, text: str) -> bool:
    return bool(evidence._terms(text))


@pytest.mark.parametrize("seed", range(500, 505))
def test_no_sentence_of_a_long_talk_contradicts_it(seed: int) -> None:
    said = [each.text for each in sentences(talk(seed))]
    evidence = Evidence(said, None)
    assert all(evidence.support(text, [at]).score == 1 for at, text in enumerate(said) if _has_meaning(evidence, text))


def test_of_talks_not_looked_at_when_the_rules_were_made_this_much_is_caught() -> None:
    """The second batch was judged once, after the rules were made (23 of its 30 inventions, all of its 30 honest
    sentences); one rule was added after that. Roles exchanged within one sentence are what it cannot see."""
    kept, caught, whole = Counter[int](), Counter[str](), Counter[str]()
    for each in UNSEEN:
        evidence = Evidence(each["said"], each["language"])
        kept[each["batch"]] += sum(evidence.support(text).grounded for text in each["honest"])
        for invented in each["invented"]:
            whole[invented["kind"]] += 1
            caught[invented["kind"]] += not evidence.support(invented["text"]).grounded
    assert whole.total() == 90
    assert kept[1] >= 59
    assert kept[2] == 30
    assert all(caught[kind] == whole[kind] for kind in ("number", "name", "date", "unit"))
    assert caught["negation"] >= 11
    assert caught["fact"] + caught["generality"] >= 23
    assert caught.total() >= 76


@given(
    st.lists(st.text(max_size=40), max_size=6), st.text(max_size=60), st.sampled_from(["en", "de", "fr", "es", "ja"])
)
def test_any_text_can_be_held_against_any_other(said: list[str], text: str, language: str) -> None:
    assert 0 <= Evidence(said, language).support(text).score <= 1
