"""A run that is killed with its process, and run again: what was paid for is not paid for again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from video_assets_tests.text.making import lecture
from video_assets_tests.text.standin import Call, Reaction, StandIn, honest

ROOT = Path(__file__).parents[2]
CHILD = "video_assets_tests.text.summarising_child"
SENTENCES, SIZE, CALLS = 210, 170, 26


class Holding:
    """An honest model that stops answering after so many calls, until it is released."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.released = threading.Event()

    def __call__(self, call: Call) -> Reaction:
        if call.number >= self.after:
            assert self.released.wait(timeout=100)
        return honest(call)


def child(standin: StandIn, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", CHILD, standin.url, str(folder), str(SENTENCES), str(SIZE)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def kept(folder: Path) -> int:
    return len(list(folder.glob("answers/*/*.json")))


@pytest.mark.parametrize("after", [13, *(pytest.param(at, marks=pytest.mark.slow) for at in (0, 1, 5, 21, 25))])
def test_killed_in_between_and_run_again_every_question_is_billed_once(after: int, tmp_path: Path) -> None:
    holding = Holding(after)
    with StandIn(holding).running() as standin:
        first = child(standin, tmp_path)
        try:
            # All answers given are kept, and others are asked for: the moment at which there is most to lose.
            until(lambda: kept(tmp_path) == after and standin.in_flight > 0)
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait(30)
        holding.released.set()
        until(lambda: standin.in_flight == 0)
        assert sum(standin.billed.values()) == after

        second = child(standin, tmp_path)
        out, _ = second.communicate(timeout=100)
        assert second.returncode == 0
        assert set(standin.billed.values()) == {1}
        assert len(standin.billed) == CALLS
    assert len(json.loads(out)["sentences"]) >= 4
    assert json.loads(out)["model_info"]["calls"] == CALLS


@pytest.mark.slow
def test_at_any_moment_at_all_where_the_server_knows_a_question_again(tmp_path: Path) -> None:
    """A server that bills what it computed even if nobody is there any more: then the key that comes with each
    question, which is the same the second time, saves what was in flight."""
    with StandIn(latency=0.08, idempotent=True).running() as standin:
        for number in range(4):
            running = child(standin, tmp_path)
            until(lambda: len(standin.calls) >= 3 + 6 * number or running.poll() is not None)  # noqa: B023
            running.send_signal(signal.SIGKILL)
            running.communicate(timeout=30)
        until(lambda: standin.in_flight == 0)
        last = child(standin, tmp_path)
        assert len(json.loads(last.communicate(timeout=100)[0])["sentences"]) >= 4
    assert set(standin.billed.values()) == {1}
    assert len(standin.billed) == CALLS


def test_the_lecture_takes_that_many_calls() -> None:
    from video_assets.text.llm.chunking import chunks
    from video_assets.text.llm.plan import plan
    from video_assets.text.sentences import sentences

    assert plan(len(chunks([each.text for each in sentences(lecture(SENTENCES))], SIZE))).calls == CALLS
