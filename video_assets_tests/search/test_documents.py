from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from video_assets.search import Document, Passage, Spoken, digest, passages
from video_assets.search.documents import MOST_CHARACTERS, moment


def spoken(*pieces: tuple[float, str], pause: float = 0.0) -> list[Spoken]:
    found, at = [], 0.0
    for seconds, text in pieces:
        found.append(Spoken(at, at + seconds, text))
        at += seconds + pause
    return found


def test_passages_are_about_as_long_as_asked_and_end_with_sentences() -> None:
    pieces = spoken(*[(2.5, "The tide rises"), (3.5, "at seven.")] * 40)
    found = passages(pieces)
    assert all(24 <= each.end - each.start <= 36 for each in found)
    assert all(each.text.endswith("seven.") for each in found)
    assert [each.number for each in found] == list(range(len(found)))


def test_speech_without_sentence_ends_is_cut_all_the_same() -> None:
    found = passages(spoken(*[(4, "and then we go on")] * 60))
    assert all(each.end - each.start <= 45 for each in found)
    assert len(found) > 4


def test_a_caption_of_minutes_is_cut_between_words_with_times_in_proportion() -> None:
    found = passages([Spoken(100, 400, " ".join(f"word{at}" for at in range(300)))])
    assert all(each.end - each.start <= 46 for each in found)
    assert found[0].start == 100
    assert found[-1].end == 400
    assert " ".join(each.text for each in found).split() == [f"word{at}" for at in range(300)]


def test_marks_say_when_each_piece_begins() -> None:
    (found,) = passages(spoken((5, "Mix the flour."), (5, "Add water."), pause=1))
    assert found.marks == ((0, 0.0), (15, 6.0), (25, 11.0))
    assert found.text[15:] == "Add water."


def test_scripts_without_spaces_are_joined_without_any() -> None:
    (found,) = passages(spoken((5, "今日は。"), (5, "明日は。")))
    assert found.text == "今日は。明日は。"
    assert found.marks[1] == (4, 5.0)


words = st.text("abc.!? 。今", min_size=1, max_size=40)
lengths = st.one_of(st.floats(0, 20), st.floats(0, 2000))


@given(st.lists(st.tuples(lengths, words), max_size=30), st.floats(1, 90))
def test_every_word_is_in_one_passage_in_order(pieces: list[tuple[float, str]], target: float) -> None:
    said = spoken(*pieces)
    found = passages(said, target)
    assert letters(each.text for each in found) == letters(each.text for each in said)
    starts = [each.start for each in found]
    assert starts == sorted(starts)
    assert all(each.start <= each.end and each.text.strip() for each in found)
    assert all(len(each.text) <= MOST_CHARACTERS + 1 for each in found)
    for each in found:
        assert each.marks[0] == (0, each.start)
        assert each.marks[-1] == (len(each.text), each.end)
        assert [offset for offset, _ in each.marks] == sorted(offset for offset, _ in each.marks)


def letters(texts: Iterable[str]) -> str:
    return "".join("".join(text.split()) for text in texts)


def test_hostile_amounts_of_text_give_passages_of_bounded_size() -> None:
    found = passages([Spoken(0, 1, "x" * 1_000_000)])
    assert max(len(each.text) for each in found) <= MOST_CHARACTERS
    assert sum(len(each.text) for each in found) == 1_000_000


def test_a_document_read_back_from_json_has_the_same_digest() -> None:
    first = Document(
        video_id=1,
        title="Été",
        duration=60,
        user_id=3,
        created_at=datetime(2024, 5, 1, 12, 30, tzinfo=timezone.utc),
        tags=("a",),
        passages=passages([Spoken(0, 30, "One."), Spoken(30, 60, "Two.")]),
        chapters=((0, "x"),),
    )
    adapter = TypeAdapter(Document)
    again = adapter.validate_json(adapter.dump_json(first))
    assert digest(again) == digest(first)
    assert json.dumps(asdict(again)["passages"])
    for change in ({"title": "x"}, {"tags": ()}, {"passages": ()}, {"user_id": 4}, {"created_at": None}):
        assert digest(replace(first, **change)) != digest(first)


def test_a_digest_stays_what_manifests_say_it_is() -> None:
    document = Document(
        7,
        "Grüße",
        summary="A b.\nC",
        tags=("x", "y"),
        language="de",
        duration=61,
        user_id=3,
        created_at=datetime(2026, 1, 2, tzinfo=timezone.utc),
        chapters=((0, "Anfang"), (31.0, "Ende")),
        passages=(Passage(0, 0, 30.5, "Eins zwei", ((0, 0), (9, 30.5))), Passage(1, 31, 61, "drei")),
    )
    assert digest(document) == "171e98bd2e5394eb1cfc12b052f8bf7771c355710d5d2d3052bb264f7bdc0b23"


def test_words_with_times_of_their_own_are_marked() -> None:
    said = [Spoken(0.0, 20.0, "We wait for a long time and then the storm comes.")]
    times = [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 14.0, 14.3, 17.0, 17.4, 18.0]
    words = [Spoken(at, at + 0.2, f" {word}") for at, word in zip(times, said[0].text.rstrip(".").split(), strict=True)]
    (plain,), (timed,) = passages(said), passages(said, words=words)
    assert timed.text == plain.text
    for (offset, word), at in zip(
        ((timed.text.index(word), word) for word in ("We", "time", "and", "storm", "comes")),
        (0.0, 1.5, 14.0, 17.4, 18.0),
        strict=True,
    ):
        assert abs(moment(offset, timed.marks, timed.start) - at) <= 0.4, word
    assert abs(moment(timed.text.index("storm"), plain.marks, 0.0) - 17.4) > 2, "the sentence alone does not tell"
    assert [second for _, second in timed.marks] == sorted(second for _, second in timed.marks)


words_said = st.lists(st.tuples(st.text("abc ", min_size=1, max_size=5), st.floats(0, 100)), max_size=40)


@given(st.lists(st.tuples(lengths, words), max_size=10), words_said)
def test_words_that_do_not_fit_do_no_harm(pieces: list[tuple[float, str]], heard: list[tuple[str, float]]) -> None:
    said = spoken(*pieces)
    times = [Spoken(at, at, text) for text, at in sorted(heard, key=lambda each: each[1])]
    found = passages(said, words=times)
    assert [each.text for each in found] == [each.text for each in passages(said)]
    for each in found:
        assert list(each.marks) == sorted(each.marks)
        assert [second for _, second in each.marks] == sorted(second for _, second in each.marks)
