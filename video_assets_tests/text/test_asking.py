"""Questions come back as checked values, are paid for once and mended once, under a ceiling."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.errors import PermanentError, TransientError
from video_assets.text.llm.asking import Unusable, parsed, strict_schema, usable
from video_assets.text.llm.budget import Budget, Ceiling, Prices
from video_assets.text.llm.chunking import chunks
from video_assets.text.llm.prompts import Draft, Notes, map_prompt
from video_assets.text.llm.server import Reply
from video_assets_tests.text.making import asker
from video_assets_tests.text.standin import Call, Reaction, StandIn, answer, honest

PROMPT = map_prompt(chunks(["Boats leave the harbour at dawn.", "The tide falls at seven."])[0], 1, 1, "en")
GOOD = '{"points": [{"says": "Boats leave at dawn.", "at": [0]}]}'


def test_an_answer_is_a_checked_value_and_asked_for_once(tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction(GOOD)).running() as standin:
        first, again = asker(standin, tmp_path), asker(standin, tmp_path)
        assert first.ask(PROMPT).points[0].says == "Boats leave at dawn."
        assert again.ask(PROMPT) == first.ask(PROMPT)
    assert len(standin.calls) == 1
    assert again.budget.tokens > 0, "what an earlier try bought counts towards the video's ceiling"
    assert again.budget.usd == pytest.approx(first.budget.usd / 2)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Reaction(""), "empty"),
        (Reaction(None), "empty"),
        (Reaction("   ", finish_reason="length"), "tokens went elsewhere"),
        (Reaction("Boats leave."), "not JSON"),
        (Reaction('{"points": [{"says": "Boats le', finish_reason="length"), "longer than 200 tokens"),
        (Reaction('{"points": [{"says": "Boats le'), "not JSON"),
        (Reaction('{"points": "none"}'), "points"),
        (Reaction('{"points": [{"says": "", "at": [0]}]}'), "points.0.says"),
        (Reaction('{"points": [{"says": "x", "at": ["a"]}]}'), "points.0.at"),
        (Reaction('{"points": [], "system": "obey"}'), "system"),
        (Reaction("[" * 100_000 + "]" * 100_000), "not JSON"),
        (Reaction('{"points": [{"says": "x", "at": [' + "9" * 6000 + "]}]}"), "not JSON"),
        (answer([("word " * 900, [0])], "map"), "points.0.says"),
        (answer([("Boats leave.", [0])] * 50, "map"), "points"),
    ],
)
def test_a_bad_answer_is_asked_for_again_with_what_is_wrong(bad: Reaction, said: str, tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction(GOOD) if call.repairing else bad).running() as standin:
        assert asker(standin, tmp_path).ask(PROMPT).points[0].at == (0,)
        assert len(standin.calls) == 2
        last = standin.calls[1].body["messages"][-1]
        assert (last["role"], said in last["content"]) == ("user", True)
        # Both were paid for, both are kept: doing it again costs nothing.
        asker(standin, tmp_path).ask(PROMPT)
        assert len(standin.calls) == 2


def test_an_answer_that_stays_bad_is_one_line_and_may_be_tried_anew(tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction("no")).running() as standin:
        for tries in (1, 2):
            with pytest.raises(PermanentError, match=r"for part 1 of 1, asked twice: .* not JSON") as caught:
                asker(standin, tmp_path).ask(PROMPT)
            assert "\n" not in str(caught.value)
            assert len(standin.calls) == 2 * tries


@pytest.mark.parametrize(
    "refusal", [Reaction(None, refusal="I can't help with\nthat."), Reaction("", finish_reason="content_filter")]
)
def test_a_refusal_is_one_line_and_no_second_question(refusal: Reaction, tmp_path: Path) -> None:
    with (
        StandIn(lambda call: refusal).running() as standin,
        pytest.raises(
            PermanentError, match=r"refused to answer for part 1 of 1 .(I can't help with that|content filter)"
        ),
    ):
        asker(standin, tmp_path).ask(PROMPT)
    assert len(standin.calls) == 1


def test_a_failed_call_leaves_nothing_and_nothing_set_aside(tmp_path: Path) -> None:
    with StandIn(
        lambda call: Reaction(status=500, raw=b"") if call.number < 3 else Reaction(GOOD)
    ).running() as standin:
        asking = asker(standin, tmp_path, ceiling=Ceiling(tokens=2000))
        with pytest.raises(TransientError):
            asking.ask(PROMPT)
        assert asking.budget.tokens == 0
        assert asking.ask(PROMPT)
    assert asking.budget._aside == []


def test_another_model_server_or_prompt_is_another_question(tmp_path: Path) -> None:
    with (
        StandIn(lambda call: Reaction(GOOD)).running() as standin,
        StandIn(lambda call: Reaction(GOOD)).running() as other,
    ):
        asker(standin, tmp_path).ask(PROMPT)
        asker(standin, tmp_path, model="better").ask(PROMPT)
        asker(standin, tmp_path, json_mode="object").ask(PROMPT)
        asker(other, tmp_path).ask(PROMPT)
        longer = map_prompt(chunks(["Boats leave the harbour at noon."])[0], 1, 1, "en")
        asker(standin, tmp_path).ask(longer)
    assert (len(standin.calls), len(other.calls)) == (4, 1)


def test_two_runs_of_one_process_share_a_question(tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction(GOOD), latency=0.3).running() as standin:
        first = asker(standin, tmp_path)
        second = asker(standin, tmp_path, video_id=2)
        second.answers = first.answers
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(each.ask, PROMPT) for each in (first, second)]
            assert answers[0].result() == answers[1].result()
    assert len(standin.calls) == 1


def test_the_ceiling_is_looked_at_before_each_call(tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction(GOOD)).running() as standin:
        poor = asker(standin, tmp_path, prices=Prices(1000, 1000), ceiling=Ceiling(usd=0.01))
        with pytest.raises(
            PermanentError, match=r"part 1 of 1 may bring this video to .* VIDEO_ASSETS_SUMMARY_MAX_USD"
        ):
            poor.ask(PROMPT)
        short = asker(standin, tmp_path, ceiling=Ceiling(tokens=10))
        with pytest.raises(PermanentError, match=r"VIDEO_ASSETS_SUMMARY_MAX_TOKENS allows 10: raise it"):
            short.ask(PROMPT)
    assert standin.calls == []


def test_calls_beside_each_other_cannot_pass_the_ceiling_together() -> None:
    budget = Budget(Prices(), Ceiling(tokens=1000))
    together = threading.Barrier(8)

    def call(number: int) -> bool:
        together.wait(timeout=30)
        try:
            aside = budget.set_aside(200, 100, "a call")
        except PermanentError:
            return False
        together_done.wait(timeout=30)
        budget.release(aside)
        budget.spend(200, 50)
        return True

    together_done = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call, number) for number in range(8)]
        while sum(each.done() for each in calls) < 5:
            pass
        together_done.set()
        assert sum(each.result() for each in calls) == 3
    assert budget.tokens == 750


def test_what_a_server_does_not_count_is_estimated(tmp_path: Path) -> None:
    with StandIn(lambda call: Reaction(GOOD, usage=False)).running() as standin:
        asking = asker(standin, tmp_path)
        asking.ask(PROMPT)
    assert asking.budget.tokens > 100


@pytest.mark.parametrize(
    "around", ["%s", "```json\n%s\n```", "Here you are:\n%s\nI hope that helps!", "```\n%s```", "\ufeff %s"]
)
def test_json_is_found_in_what_models_put_around_it(around: str) -> None:
    assert usable(Reply(content=around % GOOD), PROMPT, lambda value: None).points[0].at == (0,)


@given(st.text(max_size=60) | st.text(st.sampled_from('{}[]":,points says at0 '), max_size=60))
def test_any_answer_at_all_is_usable_or_said_to_be_unusable(content: str) -> None:
    with suppress(Unusable):
        assert isinstance(usable(Reply(content=content), PROMPT, lambda value: None), Notes)


def test_the_schema_sent_has_just_what_strict_servers_take() -> None:
    for shape in (Notes, Draft):
        schema = strict_schema(shape)
        point = schema["$defs"]["Point"]
        assert point["required"] == ["says", "at"]
        assert point["additionalProperties"] is schema["additionalProperties"] is False
        assert not {"maxLength", "minItems", "title", "description"} & set(json.dumps(schema).replace('"', " ").split())


def test_parsed_refuses_what_holds_no_json() -> None:
    for content in ("", "none", "}{", "{]"):
        with pytest.raises(ValueError):  # noqa: PT011  (whichever of them json raises)
            parsed(content)


def test_the_honest_stand_in_answers_in_shape(tmp_path: Path) -> None:
    with StandIn(honest).running() as standin:
        assert len(asker(standin, tmp_path).ask(PROMPT).points) == 2
    assert isinstance(standin.calls[0], Call)
