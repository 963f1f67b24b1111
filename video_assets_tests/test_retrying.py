"""How calls are made again: often enough, later and later, and no sooner than the other side asks."""

from __future__ import annotations

import pytest

from video_assets.errors import TransientError
from video_assets.retrying import JITTER, Policy

POLICY = Policy(tries=5, first=1.0, growth=3.0, longest=10.0)


def transient(error: BaseException) -> bool:
    return isinstance(error, TransientError)


class Flaky:
    """Raises these, one a call, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_pauses_grow_up_to_the_longest_and_no_two_callers_come_back_together() -> None:
    slept: list[float] = []
    with pytest.raises(TransientError, match="last"):
        POLICY.call(Flaky(*[TransientError("down")] * 4, TransientError("last")), again=transient, sleep=slept.append)
    assert len(slept) == 4
    for pause, least in zip(slept, [1.0, 3.0, 9.0, 10.0], strict=True):
        assert least <= pause <= least * (1 + JITTER)
    again: list[float] = []
    assert POLICY.call(Flaky(TransientError("down")), again=transient, sleep=again.append) == "answer"
    assert again[0] != slept[0]


@pytest.mark.parametrize("asked", [0.0, 0.5, 10.0])
def test_the_other_side_knows_better_how_long_to_wait(asked: float) -> None:
    slept: list[float] = []
    busy = Flaky(TransientError("busy", retry_after=asked), TransientError("busy", retry_after=asked))
    assert POLICY.call(busy, again=transient, sleep=slept.append) == "answer"
    assert slept == [asked, asked]


def test_nobody_waits_within_a_call_for_longer_than_the_longest_pause() -> None:
    slept: list[float] = []
    busy = Flaky(TransientError("maintenance", retry_after=10.5))
    with pytest.raises(TransientError, match="maintenance"):
        POLICY.call(busy, again=transient, sleep=slept.append)
    assert (busy.calls, slept) == (1, [])


def test_other_errors_are_raised_at_once() -> None:
    wrong = Flaky(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        POLICY.call(wrong, again=transient, sleep=lambda _: pytest.fail("there is nothing to wait for"))
    assert wrong.calls == 1


def test_what_is_not_done_is_looked_at_again_and_given_up_in_the_end() -> None:
    slept: list[float] = []
    looks = iter([False, False, True])
    assert POLICY.until(lambda: next(looks), sleep=slept.append)
    assert len(slept) == 2
    assert not POLICY.until(lambda: False, sleep=slept.append)
    assert len(slept) == 2 + 4
    with pytest.raises(TransientError, match="down"):
        POLICY.until(Flaky(TransientError("down")), sleep=slept.append)  # type: ignore[arg-type]
