"""Summaries by a language model, against one over real HTTP that is honest, slow, broken, lying or obedient."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from video_assets.errors import PermanentError, TransientError
from video_assets.text.extractive import summarizer
from video_assets.text.llm.budget import Ceiling, Prices
from video_assets.text.llm.chunking import CHUNK_TOKENS, chunks
from video_assets.text.llm.mapreduce import summarize
from video_assets.text.llm.plan import plan
from video_assets.text.llm.prompts import NOTE_TOKENS
from video_assets.text.llm.tokens import count_tokens
from video_assets.text.sentences import sentences
from video_assets.text.verify import summary_checks
from video_assets_tests.text.making import GROUNDING, Said, asker, lecture, said
from video_assets_tests.text.standin import Call, Reaction, StandIn, answer, honest, picked, reported
from video_assets_tests.text.talks import TOPICS, talk

FORTY = lecture(400)
SIZE = 170
"""Tokens a chunk that make forty of it."""


def test_the_lecture_has_forty_chunks_at_that_size() -> None:
    assert len(chunks([each.text for each in sentences(FORTY)], SIZE)) == 40


@pytest.mark.parametrize("count", [*range(1, 60), 250, 251, 1000])
def test_the_plan_merges_every_note_once_in_order_in_fives_past_ten(count: int) -> None:
    made = plan(count)
    below = count
    for level in made.levels:
        assert below > 10
        assert [at for merge in level for at in range(merge.first, merge.last)] == list(range(below))
        assert all(1 <= merge.last - merge.first <= 5 for merge in level)
        assert sum(merge.last - merge.first < 5 for merge in level) <= 1
        below = len(level)
    assert below <= 10
    assert (made.levels == ()) == (count <= 10)


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 2), (10, 11), (11, 14), (40, 49), (60, 76)])
def test_how_many_calls_a_plan_has(count: int, calls: int) -> None:
    assert plan(count).calls == calls


def test_a_talk_becomes_four_to_six_grounded_sentences_with_chapters_and_tags(tmp_path: Path) -> None:
    spoken = talk(501)
    progress: list[float] = []
    with StandIn().running() as standin:
        asking = asker(standin, tmp_path)
        found = summarize(spoken, asking, on_progress=progress.append)
    assert 4 <= len(found.sentences) <= 6
    assert all(check.passed for check in summary_checks(found, spoken, spoken.duration))
    base = summarizer.summarize(spoken)
    assert (found.chapters, found.tags) == (base.chapters, base.tags)
    assert found.text == " ".join(each.text for each in found.sentences) != base.text
    assert found.model_info["model"] == "stand-in"
    assert 0 < (found.quality_score or 0) <= 1
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    assert asking.budget.tokens == standin.tokens
    assert asking.budget.usd == pytest.approx((0.15 * standin.asked + 0.6 * (standin.tokens - standin.asked)) / 1e6)


def test_chunks_are_of_eight_thousand_tokens_and_notes_of_two_hundred(tmp_path: Path) -> None:
    long = lecture(1400)
    with StandIn().running() as standin:
        summarize(long, asker(standin, tmp_path))
    maps = [call for call in standin.calls if call.kind == "map"]
    assert len(maps) == len(chunks([each.text for each in sentences(long)], 8000)) == 4
    sizes = sorted(count_tokens(call.user) for call in maps)
    assert 7000 < sizes[-1] <= CHUNK_TOKENS + 40
    assert {call.body["max_tokens"] for call in maps} == {NOTE_TOKENS} == {200}
    given = [text for call in sorted(maps, key=lambda call: call.lines[0][0]) for _, text in call.lines]
    assert given == [segment.text for segment in long.segments], "nothing said may be missing or out of order"


class InRounds:
    """A model all of whose calls take just as long: those that can be in flight together are answered together. Waits
    for as many calls as the round is to have, and fails where they do not come."""

    def __init__(self, *expected: int) -> None:
        self.rounds = [threading.Barrier(count) for count in expected]
        self.kinds: list[Counter[str]] = [Counter() for _ in expected]
        self.arrived = 0
        self.sizes = expected
        self.lock = threading.Lock()

    def __call__(self, call: Call) -> Reaction:
        with self.lock:
            at, before = 0, 0
            while self.arrived >= before + self.sizes[at]:
                before, at = before + self.sizes[at], at + 1
            self.arrived += 1
            self.kinds[at][call.kind] += 1
        self.rounds[at].wait(timeout=60)
        return honest(call)


def test_forty_chunks_take_eight_rounds_and_two_levels(tmp_path: Path) -> None:
    """The bound (⌈40/5⌉ + 2) x L, in rounds instead of seconds: five chunks at a time, each merge beside the chunks
    that come after its own."""
    rounds = InRounds(5, 6, 6, 6, 6, 6, 6, 6, 1, 1)
    with StandIn(rounds).running() as standin:
        summarize(FORTY, asker(standin, tmp_path, timeout=90), chunk_tokens=SIZE)
    assert [each["map"] for each in rounds.kinds] == [5] * 8 + [0, 0]
    assert [each["reduce"] for each in rounds.kinds] == [0] + [1] * 8 + [0]
    assert rounds.kinds[-1] == {"final": 1}
    assert standin.most_in_flight == 6


@pytest.mark.slow
def test_forty_chunks_are_done_in_ten_latencies(tmp_path: Path) -> None:
    latency = 4.0
    with StandIn(latency=latency).running() as standin:
        begun = time.monotonic()
        summarize(FORTY, asker(standin, tmp_path), chunk_tokens=SIZE)
        assert 10 * latency <= time.monotonic() - begun <= 10 * 1.1 * latency


class Together:
    """An honest model that answers its first calls once so many notes are being taken at once, and counts the most."""

    def __init__(self, count: int) -> None:
        self.gate = threading.Barrier(count)
        self.left = count
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, call: Call) -> Reaction:
        mapping = call.kind == "map"
        with self.lock:
            self.now += mapping
            self.most = max(self.most, self.now)
            waits, self.left = mapping and self.left > 0, self.left - mapping
        if waits:
            self.gate.wait(timeout=60)
        with self.lock:
            self.now -= mapping
        return honest(call)


@pytest.mark.parametrize(("at_once", "together"), [(1, 1), (12, 12), (0, 17)])
def test_how_many_chunks_are_summarised_at_once_is_a_setting(at_once: int, together: int, tmp_path: Path) -> None:
    model = Together(together)
    with StandIn(model).running() as standin:
        summarize(lecture(170), asker(standin, tmp_path, timeout=90), chunk_tokens=SIZE, at_once=at_once)
    assert model.most == together
    assert standin.kinds["map"] == 17


def lying(inventions: list[str], *, honest_ones: int) -> Callable[[Call], Reaction]:
    """Adds what nobody said, in notes and in the summary, with citations as if somebody had."""

    def behave(call: Call) -> Reaction:
        points = [(reported(call, text), at) for text, at in picked(call, honest_ones)]
        cited = call.lines[0][0][:1] if call.lines else [0]
        return answer(points + [(text, cited) for text in inventions], call.kind)

    return behave


def repeated(each: dict[str, Any]) -> Said:
    return said(*each["said"], language=each["language"])


@pytest.mark.parametrize("each", GROUNDING, ids=lambda each: each["name"])
def test_everything_invented_is_caught_and_everything_honest_kept(each: dict[str, Any], tmp_path: Path) -> None:
    spoken = repeated(each)
    known = {summarizer.finished(text) for text in each["invented"]}
    # Four, and no more: any invention that passed would find a place among the six.
    with StandIn(lying(each["invented"], honest_ones=4)).running() as standin:
        found = summarize(spoken, asker(standin, tmp_path))
    texts = {sentence.text for sentence in found.sentences}
    assert not texts & known
    assert len(texts) == 4
    final = next(call for call in standin.calls if call.kind == "final")
    assert not [text for text in each["invented"] if text in final.user], (
        "an invented note reached the summary's writer"
    )
    assert found.model_info["dropped"] == 2 * len(each["invented"])
    assert all(check.passed for check in summary_checks(found, spoken, spoken.duration))


def test_a_summary_with_too_little_truth_is_written_again_and_then_refused(tmp_path: Path) -> None:
    each = GROUNDING[0]

    def behave(call: Call) -> Reaction:
        if call.kind == "final" and not call.repairing:
            return lying(each["invented"][:4], honest_ones=2)(call)
        return honest(call)

    with StandIn(behave).running() as standin:
        found = summarize(repeated(each), asker(standin, tmp_path))
        assert len(found.sentences) >= 4
        repairing = [call for call in standin.calls if call.repairing]
        assert (
            "2 of its 6 sentences are in the transcript and 4 are needed"
            in repairing[0].body["messages"][-1]["content"]
        )
    with (
        StandIn(
            lambda call: lying(each["invented"][:4], honest_ones=2 if call.kind == "final" else 4)(call)
        ).running() as standin,
        pytest.raises(
            PermanentError, match="no usable answer for the summary, asked twice: 2 of its 6 sentences"
        ) as caught,
    ):
        summarize(repeated(each), asker(standin, tmp_path / "other"))
    assert "\n" not in str(caught.value)
    assert "VIDEO_ASSETS_SUMMARIZER=extractive" in str(caught.value)


def test_two_sentences_in_one_are_told_apart_and_the_best_six_kept(tmp_path: Path) -> None:
    def doubling(call: Call) -> Reaction:
        if call.kind != "final":
            return honest(call)
        points = picked(call, 8)
        joined = [
            (f"{first[0]} {second[0]}", first[1] + second[1])
            for first, second in zip(points[::2], points[1::2], strict=False)
        ]
        return answer(joined, "final")

    with StandIn(doubling).running() as standin:
        found = summarize(talk(3, tuple(TOPICS)[:4], (12, 14)), asker(standin, tmp_path), chunk_tokens=400)
    assert 4 <= len(found.sentences) <= 6
    assert all(each.text.count(".") == 1 for each in found.sentences)


def test_a_sentence_that_nobody_reads_to_its_end_is_asked_for_again(tmp_path: Path) -> None:
    def long_winded(call: Call) -> Reaction:
        if call.kind != "final" or call.repairing:
            return honest(call)
        return answer([(" and ".join(text.rstrip(".") for _, text in call.lines[:2] * 4) + ".", [0])] * 4, "final")

    with StandIn(long_winded).running() as standin:
        found = summarize(talk(3), asker(standin, tmp_path))
    assert all(len(each.text.split()) <= 45 for each in found.sentences)
    assert "more than 45 words" in standin.calls[-1].body["messages"][-1]["content"]


def test_a_short_transcript_and_none_need_no_model(tmp_path: Path) -> None:
    with StandIn().running() as standin:
        for spoken in (
            said(),
            said("[Music]"),
            said("Only one sentence."),
            said("Hello there.", "Boats leave.", "Bye."),
        ):
            assert summarize(spoken, asker(standin, tmp_path)) == summarizer.summarize(spoken)
    assert standin.calls == []


def test_what_the_video_may_cost_is_known_before_anything_is_spent(tmp_path: Path) -> None:
    with StandIn().running() as standin:
        poor = asker(standin, tmp_path, prices=Prices(10, 10), ceiling=Ceiling(usd=0.05))
        with pytest.raises(
            PermanentError, match=r"in 49 calls may bring this video to 0\.\d+ US dollars; .*MAX_USD allows 0.05"
        ):
            summarize(FORTY, poor, chunk_tokens=SIZE)
        assert standin.calls == []
        enough = asker(standin, tmp_path, prices=Prices(10, 10), ceiling=Ceiling(usd=5))
        summarize(FORTY, enough, chunk_tokens=SIZE)
    assert 0 < enough.budget.usd < 5


def test_where_one_call_fails_those_begun_are_seen_through_and_kept(tmp_path: Path) -> None:
    failing = threading.Event()
    failing.set()

    def behave(call: Call) -> Reaction:
        if failing.is_set() and "number 17 " in call.user and call.kind == "map":
            return Reaction(status=500, raw=b"{}", headers={"Retry-After": "999"})
        return honest(call)

    with StandIn(behave, latency=0.05).running() as standin:
        with pytest.raises(TransientError):
            summarize(FORTY, asker(standin, tmp_path), chunk_tokens=SIZE)
        before = len(standin.calls)
        assert before < 15, "calls were begun after one had failed"
        failing.clear()
        summarize(FORTY, asker(standin, tmp_path), chunk_tokens=SIZE)
    assert set(standin.billed.values()) == {1}
    assert len(standin.billed) == 49
    assert before > 1


def chaotic(seed: int, share: float) -> Callable[[Call], Reaction]:
    """Every fault there is, now and then."""
    rng, lock = random.Random(seed), threading.Lock()
    faults: list[Callable[[Call], Reaction]] = [
        lambda call: Reaction(status=429, raw=b'{"error":{"message":"slow"}}', headers={"Retry-After": "1"}),
        lambda call: Reaction(status=500, raw=b"<html>"),
        lambda call: Reaction(status=503, raw=b"", headers={"Retry-After": "2"}),
        lambda call: Reaction(reset=True),
        lambda call: Reaction('{"points": [{"says": "half'),
        lambda call: Reaction(""),
        lambda call: Reaction("I am afraid that I have lost the thread."),
        lambda call: answer([("The moon landing took place in Nevada.", [0])] * 3, call.kind),
        lambda call: Reaction(honest(call).content, delay=0.1),
        lambda call: Reaction(f"```json\n{honest(call).content}\n```"),
    ]

    def behave(call: Call) -> Reaction:
        with lock:
            bad, fault = rng.random() < share, rng.choice(faults)
        return fault(call) if bad and not call.repairing else honest(call)

    return behave


@pytest.mark.parametrize("seed", range(6))
def test_through_any_trouble_a_good_summary_comes_out_and_nothing_is_paid_twice(seed: int, tmp_path: Path) -> None:
    spoken = talk(40 + seed, tuple(TOPICS)[:6], (14, 16))
    with StandIn(chaotic(seed, 0.35)).running() as standin:
        for _ in range(20):
            try:
                found = summarize(spoken, asker(standin, tmp_path), chunk_tokens=120)
                break
            except TransientError:
                continue
    assert all(check.passed for check in summary_checks(found, spoken, spoken.duration))
    assert "Nevada" not in found.text
    assert set(standin.billed.values()) == {1}, "an answer was paid for twice"


def test_a_model_that_refuses_is_one_line(tmp_path: Path) -> None:
    def refusing(call: Call) -> Reaction:
        return Reaction(None, refusal="I won't discuss boats.") if call.kind == "final" else honest(call)

    with (
        StandIn(refusing).running() as standin,
        pytest.raises(PermanentError, match=r"refused to answer for the summary \(I won't discuss boats"),
    ):
        summarize(talk(3), asker(standin, tmp_path))


@pytest.mark.parametrize("language", ["de", None])
def test_the_answer_is_asked_for_in_the_language_of_the_talk(language: str | None, tmp_path: Path) -> None:
    german = next(each for each in GROUNDING if each["language"] == "de")
    with StandIn().running() as standin:
        found = summarize(said(*german["said"], language=language), asker(standin, tmp_path))
    assert len(found.sentences) >= 4
    wanted = "in German" if language else "in the language of the lines"
    assert all(wanted in call.system for call in standin.calls)


def test_the_same_transcript_gives_the_same_summary_and_no_further_call(tmp_path: Path) -> None:
    with StandIn().running() as standin:
        first = summarize(talk(7), asker(standin, tmp_path))
        calls = len(standin.calls)
        assert summarize(talk(7), asker(standin, tmp_path)) == first
        assert summarize(talk(7), asker(standin, tmp_path, video_id=2)) == first
        assert len(standin.calls) == calls
    assert json.loads(first.model_dump_json())["model_info"]["calls"] == calls
