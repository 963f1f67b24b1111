"""One call over real HTTP: every way in which a server can fail ends in a usable reply or one clear line."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from video_assets.errors import PermanentError, TransientError
from video_assets.model_server.address import OPENAI_URL
from video_assets.model_server.connection import TimedOut
from video_assets.text.llm.language_model import MOST_BYTES, POLICY, parse_reply
from video_assets.text.llm.server import Reply, Server, request
from video_assets_tests.text.making import KEY, model
from video_assets_tests.text.standin import Call, Reaction, StandIn, honest

BODY = {"messages": [{"role": "system", "content": "You take notes"}, {"role": "user", "content": "[0] Boats leave."}]}


def ask(standin: StandIn, **changes: Any) -> Reply:
    language_model = model(standin, **changes)
    body = {"model": language_model.server.model, **BODY}
    return language_model.reply(body, tokens=100, idempotency_key="k")


@contextmanager
def answering(behave: Callable[[Call], Reaction]) -> Iterator[StandIn]:
    with StandIn(behave).running() as standin:
        yield standin


def test_a_reply_carries_what_was_said_and_what_it_took() -> None:
    with answering(honest) as standin:
        reply = ask(standin)
    assert json.loads(reply.content)["points"] == []
    assert (reply.model, reply.finish_reason) == ("stand-in", "stop")
    assert (reply.prompt_tokens or 0) > 0
    assert standin.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert standin.calls[0].headers["idempotency-key"] == "k"
    assert standin.calls[0].path == "/v1/chat/completions"
    assert "openai-organization" not in standin.calls[0].headers


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, {"message": f"Incorrect key {KEY}"}, "refused the key .401.: set VIDEO_ASSETS_OPENAI_API_KEY"),
        (403, {"message": "no"}, "refused the key"),
        (404, {"message": "no such model", "code": "model_not_found"}, "does not know the model stand-in"),
        (400, {"message": "messages too long: 9000 tokens"}, "messages too long"),
        (400, {"message": "unknown response_format json_schema"}, "set VIDEO_ASSETS_SUMMARY_JSON"),
        (429, {"message": "pay first", "code": "insufficient_quota"}, "no credit left"),
        (400, {"message": f"bad header: Bearer {KEY}"}, r"bad header: Bearer \*\*\*"),
        (422, "what?", "refused the call to stand-in .422"),
        (302, {"message": "moved"}, "refused the call"),
    ],
)
def test_what_cannot_help_to_ask_again_is_one_line_and_one_call(status: int, error: Any, said: str) -> None:
    headers = {"Location": "http://127.0.0.1:1/"} if status == 302 else {}
    reaction = Reaction(status=status, raw=json.dumps({"error": error}).encode(), headers=headers)
    with answering(lambda call: reaction) as standin, pytest.raises(PermanentError, match=said) as caught:
        ask(standin)
    assert len(standin.calls) == 1
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_server_is_asked_again_and_then_answers(status: int) -> None:
    def recovers(call: Call) -> Reaction:
        return honest(call) if call.number == 2 else Reaction(status=status, raw=b"oops", headers={"Retry-After": "7"})

    sleeps: list[float] = []
    with answering(recovers) as standin:
        assert ask(standin, sleeps=sleeps).content
    assert len(standin.calls) == 3
    assert sum(sleeps) >= 14, "it was asked again before it wanted to be"


def test_a_server_that_stays_busy_is_a_transient_error_that_says_how_long() -> None:
    busy = Reaction(status=429, raw=b'{"error":{"message":"slow down"}}', headers={"Retry-After": "3"})
    with answering(lambda call: busy) as standin, pytest.raises(TransientError, match="asks for fewer calls") as caught:
        ask(standin)
    assert caught.value.retry_after == 3
    assert len(standin.calls) == POLICY.tries


def test_a_long_pause_is_left_to_whoever_tries_the_stage_again() -> None:
    busy = Reaction(status=503, raw=b"<html>down for maintenance", headers={"Retry-After": "600"})
    with answering(lambda call: busy) as standin, pytest.raises(TransientError, match="in trouble") as caught:
        ask(standin)
    assert caught.value.retry_after == 600
    assert len(standin.calls) == 1


@pytest.mark.parametrize(
    "reaction",
    [
        Reaction(reset=True),
        Reaction(raw=b""),
        Reaction(raw=b'{"choices": ['),
        Reaction(raw=b'{"choices": []}'),
        Reaction(raw=b"<html>log in</html>", headers={"Content-Type": "text/html"}),
        Reaction(raw=b"[" * 50_000),
        Reaction(raw=b'{"choices": [{"message": "hello"}]}'),
        Reaction(raw=b"\xff\xfe"),
        Reaction(raw=b"null"),
    ],
    ids=["reset", "nothing", "half", "no choice", "page", "deep", "no message", "no text", "null"],
)
def test_what_is_no_completion_is_asked_for_again_then_transient(reaction: Reaction) -> None:
    with answering(lambda call: reaction) as standin, pytest.raises(TransientError) as caught:
        ask(standin)
    assert len(standin.calls) == POLICY.tries
    assert "\n" not in str(caught.value)
    with answering(lambda call: honest(call) if call.number else reaction) as standin:
        assert ask(standin).content


@pytest.mark.parametrize("usage", ['{"prompt_tokens": -5}', '{"prompt_tokens": "many"}', "[]", '"free"', "null"])
def test_a_paid_answer_is_not_lost_for_its_bill(usage: str) -> None:
    reply = parse_reply(b'{"choices":[{"message":{"content":"x"}}],"usage":%s}' % usage.encode())
    assert (reply.content, reply.prompt_tokens) == ("x", None)


def test_an_answer_too_large_to_be_one_is_not_read_to_its_end() -> None:
    endless = Reaction(raw=b" " * (MOST_BYTES * 40))
    with answering(lambda call: endless) as standin, pytest.raises(PermanentError, match="more than an answer"):
        ask(standin)


@pytest.mark.parametrize("reaction", [Reaction("{}", delay=5.0), Reaction("{}", drip=0.05)], ids=["silent", "dripping"])
def test_a_slow_answer_is_given_up_in_time(reaction: Reaction) -> None:
    begun = datetime.now(timezone.utc)
    with answering(lambda call: reaction) as standin, pytest.raises(TimedOut, match=r"did not answer within 0\.5 s"):
        ask(standin, timeout=0.5)
    assert (datetime.now(timezone.utc) - begun).total_seconds() < 4
    assert len(standin.calls) == 1, "asking again at once would take as long again"


def test_a_server_that_is_not_there_is_transient_and_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    standin = StandIn()
    with pytest.raises(TransientError, match=f"{port} cannot be reached"):
        ask(standin, base_url=f"http://127.0.0.1:{port}/v1")


@pytest.mark.parametrize(
    ("models", "listed"), [(["stand-in", "other"], True), (["other"], False), ([], False), (None, None)]
)
def test_whether_the_model_is_there_can_be_asked_for_nothing(models: list[str] | None, listed: bool | None) -> None:
    standin = StandIn()
    standin.models, standin.key = models, KEY
    with standin.running():
        assert model(standin).is_listed() is listed
        with pytest.raises(PermanentError, match="refused the key"):
            model(standin, api_key=SecretStr("wrong")).is_listed()
    assert standin.calls == []


def test_the_key_is_in_no_log_and_no_picture_of_the_objects(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), answering(honest) as standin:
        language_model = model(standin)
        language_model.reply({"model": "m", **BODY}, tokens=1, idempotency_key="k")
        logging.getLogger("x").info("%r %r", language_model.server, vars(language_model))
    assert "chat/completions" in caplog.text
    assert KEY not in caplog.text


def test_openai_and_others_are_spoken_to_in_their_own_words() -> None:
    messages = ({"role": "user", "content": "x"},)
    theirs = request(Server("m", OPENAI_URL), messages, 200, {})
    assert theirs["max_completion_tokens"] == 200
    assert not {"max_tokens", "temperature"} & set(theirs)
    others = request(Server("m", "http://host/v1", json_mode="object"), messages, 200, {})
    assert (others["max_tokens"], others["response_format"]) == (200, {"type": "json_object"})
    assert "response_format" not in request(Server("m", "http://host/v1", json_mode="prompt"), messages, 200, {})


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "model"]), inner, max_size=3)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_at_all_is_a_reply_or_a_transient_error(body: bytes) -> None:
    with suppress(TransientError):
        assert isinstance(parse_reply(body), Reply)
