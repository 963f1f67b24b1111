"""What was asked once is not asked again: by key, by thread, after a crash, for another video."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video_assets.artifacts.answers import Answers
from video_assets.artifacts.pointer import tombstone
from video_assets.errors import TransientError
from video_assets.search import open_index
from video_assets.storage import Storage
from video_assets.storage.local import LocalStorage
from video_assets_tests.artifacts.making import at


class Oracle:
    """Answers with the number of the call."""

    def __init__(self) -> None:
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self) -> dict[str, Any]:
        with self.lock:
            self.calls += 1
        return {"number": self.calls}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def test_a_question_is_put_once_even_by_another_process(storage: Storage) -> None:
    oracle = Oracle()
    assert Answers(storage).once(1, {"q": "a"}, oracle) == ({"number": 1}, False)
    assert Answers(storage).once(1, {"q": "a"}, oracle) == ({"number": 1}, True)
    assert Answers(storage).once(1, {"q": "b"}, oracle) == ({"number": 2}, False)


def test_another_video_gets_the_answer_too_and_keeps_it_when_the_first_is_deleted(storage: Storage) -> None:
    oracle = Oracle()
    answers = Answers(storage)
    answers.once(1, {"q": "a"}, oracle)
    assert answers.once(2, {"q": "a"}, oracle) == ({"number": 1}, True)
    storage.delete_prefix("videos/1/")
    assert answers.once(2, {"q": "a"}, oracle) == ({"number": 1}, True)
    assert answers.once(3, {"q": "a"}, oracle) == ({"number": 2}, False), "nothing of a deleted video may be left"


def test_deleting_a_video_leaves_nothing_of_its_answers(storage: Storage, tmp_path: Path) -> None:
    from video_assets.library.deletion import sweep

    Answers(storage).once(1, {"q": "a"}, lambda: {"text": "what was said in confidence"})
    tombstone(storage, 1, at(1))
    sweep(1, storage=storage, search=open_index(f"sqlite:///{tmp_path / 'search.db'}"))
    assert all(b"confidence" not in storage.get_bytes(stat.key) for stat in storage.list(""))


def test_what_raises_is_not_kept(storage: Storage) -> None:
    answers = Answers(storage)

    def down() -> dict[str, Any]:
        raise TransientError("down")

    with pytest.raises(TransientError):
        answers.once(1, {"q": "a"}, down)
    assert answers.once(1, {"q": "a"}, Oracle()) == ({"number": 1}, False)


def test_a_useless_answer_can_be_forgotten(storage: Storage) -> None:
    oracle, answers = Oracle(), Answers(storage)
    answers.once(1, {"q": "a"}, oracle)
    answers.forget(1, {"q": "a"})
    assert answers.once(1, {"q": "a"}, oracle) == ({"number": 2}, False)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"answer": 3}', b"[]", b"\xff"])
def test_what_cannot_be_read_is_asked_again(storage: Storage, damage: bytes) -> None:
    oracle, answers = Oracle(), Answers(storage)
    answers.once(1, {"q": "a"}, oracle)
    for stat in list(storage.list("")):
        storage.put_bytes(stat.key, damage)
    assert answers.once(1, {"q": "a"}, oracle) == ({"number": 2}, False)
    assert answers.once(2, {"q": "a"}, oracle) == ({"number": 2}, True)


def test_of_many_threads_that_ask_the_same_one_asks(storage: Storage) -> None:
    answers, oracle = Answers(storage), Oracle()
    together = threading.Barrier(8)

    def ask(video_id: int) -> Any:
        together.wait(timeout=30)
        return answers.once(video_id, {"q": "a"}, oracle)[0]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, [1, 1, 1, 1, 2, 3, 4, 5]))
    assert found == [{"number": 1}] * 8
    assert oracle.calls == 1
    assert answers._turns == {}, "a lock for every question ever asked would grow for ever"


def test_different_questions_do_not_wait_for_each_other(storage: Storage) -> None:
    answers = Answers(storage)
    together = threading.Barrier(2)

    def ask(name: str) -> Any:
        return answers.once(1, {"q": name}, lambda: {"met": together.wait(timeout=30) in (0, 1)})[0]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, ["a", "b"])) == [{"met": True}] * 2


def test_a_waiting_thread_asks_itself_where_the_first_one_failed(storage: Storage) -> None:
    answers, oracle = Answers(storage), Oracle()
    asking, go_on = threading.Event(), threading.Event()

    def fails() -> dict[str, Any]:
        asking.set()
        assert go_on.wait(timeout=30)
        raise TransientError("reset")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.once, 1, {"q": "a"}, fails)
        assert asking.wait(timeout=30)
        second = pool.submit(answers.once, 1, {"q": "a"}, oracle)
        go_on.set()
        with pytest.raises(TransientError):
            first.result(timeout=30)
        assert second.result(timeout=30) == ({"number": 1}, False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(max_size=4), json_values, max_size=3)


@given(json_objects, json_objects)
@settings(max_examples=40)
def test_an_answer_comes_back_as_it_was_and_belongs_to_its_question(
    tmp_path_factory: pytest.TempPathFactory, question: dict[str, Any], answer: dict[str, Any]
) -> None:
    answers = Answers(LocalStorage(tmp_path_factory.mktemp("answers")))
    assert answers.once(1, question, lambda: answer) == (answer, False)
    assert answers.once(1, question, lambda: {}) == (answer, True)
    assert answers.once(1, {**question, "another": 1}, lambda: {"other": 1})[0] == {"other": 1}
