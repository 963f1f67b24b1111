"""The fastest plan that a rate allows, and never a faster one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video_assets.errors import PermanentError
from video_assets.text.llm.language_model import LanguageModel
from video_assets.text.llm.mapreduce import summarize
from video_assets.text.llm.pace import MARGIN, Pace, Rate, earliest
from video_assets_tests.text.making import asker, lecture
from video_assets_tests.text.standin import StandIn


def scheduled(sizes: Sequence[int], rate: Rate, window: float = 60.0) -> list[float]:
    """When each call starts, all of them waiting from the beginning."""
    started: list[tuple[float, int]] = []
    for size in sizes:
        begin = max(earliest(started, size, rate, window), started[-1][0] if started else 0.0)
        started.append((begin, size))
    return [begin for begin, _ in started]


def within(starts: Sequence[float], sizes: Sequence[int], rate: Rate, window: float) -> bool:
    """Whether no window of that length, open at its end, holds more than the rate allows."""
    for first, begin in enumerate(starts):
        inside = [at for at in range(first, len(starts)) if starts[at] < begin + window]
        if rate.requests and len(inside) > rate.requests:
            return False
        if rate.tokens and sum(sizes[at] for at in inside) > rate.tokens:
            return False
    return True


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 5), st.sampled_from([0, 50, 77, 120]))
@settings(max_examples=200)
def test_no_minute_holds_more_than_the_rate_and_no_call_could_start_sooner(
    sizes: list[int], requests: int, tokens: int
) -> None:
    rate = Rate(requests, tokens)
    starts = scheduled(sizes, rate)
    assert within(starts, sizes, rate, 60.0)
    for at, begin in enumerate(starts):
        if begin > 0:
            sooner = max(starts[at - 1] if at else 0.0, begin - 1e-6)
            assert sooner == begin or not within([*starts[:at], sooner], sizes, rate, 60.0)


@pytest.mark.parametrize(
    ("rate", "starts"),
    [
        (Rate(), [0.0] * 7),
        (Rate(requests=3), [0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 120.0]),
        (Rate(tokens=200), [0.0, 0.0, 60.0, 60.0, 120.0, 120.0, 180.0]),
        (Rate(requests=1, tokens=10_000), [0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0]),
    ],
)
def test_the_fastest_plan(rate: Rate, starts: list[float]) -> None:
    assert scheduled([100] * 7, rate) == starts


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace(self, rate: Rate) -> Pace:
        return Pace(rate, clock=lambda: self.now, sleep=self.sleep)


def test_the_pace_follows_that_plan() -> None:
    time = Time()
    pace = time.pace(Rate(requests=3))
    starts = []
    for _ in range(7):
        pace.wait(100)
        starts.append(round(time.now - 1000, 6))
    assert starts == [0, 0, 0, *[60 * MARGIN] * 3, 120 * MARGIN]
    assert len(pace._started) <= 4, "what has left the window would be kept for ever"


def test_nobody_starts_while_the_server_wants_peace() -> None:
    time = Time()
    pace = time.pace(Rate())
    pace.hold(7)
    pace.hold(3)
    pace.wait(1)
    assert time.now == 1007


def test_a_call_that_never_fits_is_one_line() -> None:
    with pytest.raises(PermanentError, match="9000 tokens and VIDEO_ASSETS_SUMMARY_TOKENS_PER_MINUTE allows 8000"):
        Time().pace(Rate(tokens=8000)).wait(9000)


def test_threads_start_in_turn_and_none_is_lost() -> None:
    time = Time()
    pace = time.pace(Rate(requests=2))
    lock, starts = threading.Lock(), []

    def call(_: int) -> None:
        pace.wait(1)
        with lock:
            starts.append(time.now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(12)))
    assert len(starts) == 12
    assert max(starts) - 1000 == pytest.approx(5 * 60 * MARGIN)


def test_the_server_never_sees_more_than_its_rate_and_five_at_a_time_is_no_limit_then(tmp_path: Path) -> None:
    rate, window = Rate(requests=12), 4.0
    with StandIn(latency=0.3).running() as standin:
        asking = asker(standin, tmp_path)
        language_model = asking.model
        assert isinstance(language_model, LanguageModel)
        language_model.reply(
            {"model": "m", "messages": [{"role": "user", "content": "x"}] * 2}, tokens=1, idempotency_key=""
        )
        language_model.pace = Pace(rate, window=window)
        summarize(lecture(210), asking, chunk_tokens=170, at_once=0)
    arrived = sorted(call.began for call in standin.calls[1:])
    assert len(arrived) == 26
    # A request is seen after it was sent, on a busy machine by seconds, so what the server sees is closer together.
    assert within(arrived, [1] * len(arrived), rate, window * 0.5)
    assert standin.most_in_flight > 6
