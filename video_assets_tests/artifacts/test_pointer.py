"""Which making is current: the later run's, whatever the order in which they wake up; nothing after a deletion."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.artifacts import Deleted, Superseded, current, publish, read_pointer, tombstone
from video_assets.artifacts.manifest import manifest_bytes
from video_assets.artifacts.pointer import Lost, Pointer, deleted_at, fence_over, make_fence, pointer_key
from video_assets.errors import PermanentError
from video_assets.storage import Storage
from video_assets.storage.local import LocalStorage
from video_assets.videos import Stage
from video_assets_tests.artifacts.making import at, manifest


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def try_to_publish(storage: Storage, number: int, made_at: datetime | None = None) -> type[Exception] | None:
    try:
        publish(storage, manifest(number, made_at=made_at))
    except (Superseded, Deleted) as error:
        return type(error)
    return None


def test_nothing_is_current_at_first(storage: Storage) -> None:
    assert read_pointer(storage, 1, Stage.VARIANTS) is None
    assert current(storage, 1, Stage.VARIANTS) is None


def test_what_is_published_is_current_and_reads_back_equal(storage: Storage) -> None:
    publish(storage, manifest(1))
    assert current(storage, 1, Stage.VARIANTS) == manifest(1)
    assert current(storage, 1, Stage.SUMMARIES) is None
    assert current(storage, 11, Stage.VARIANTS) is None


def test_the_manifest_lies_under_the_prefix_of_its_run(storage: Storage) -> None:
    publish(storage, manifest(3))
    assert manifest(3).key == f"videos/1/variants/{'0' * 16}-00000003/manifest.json"
    assert storage.stat(manifest(3).key) is not None


def test_a_later_run_replaces_and_an_earlier_one_does_not(storage: Storage) -> None:
    publish(storage, manifest(2))
    with pytest.raises(Superseded, match="a later run"):
        publish(storage, manifest(1))
    publish(storage, manifest(3))
    assert current(storage, 1, Stage.VARIANTS) == manifest(3)


def test_a_run_may_publish_twice(storage: Storage) -> None:
    publish(storage, manifest(1))
    publish(storage, manifest(1, fingerprint="f" * 64))
    found = current(storage, 1, Stage.VARIANTS)
    assert found is not None
    assert found.fingerprint == "f" * 64


def test_fences_compare_as_text_in_the_order_of_creation() -> None:
    moments = [datetime.fromtimestamp(seconds, at(0).tzinfo) for seconds in (9, 99.5, 999_999_999, 1_000_000_000, 4e9)]
    fences = [make_fence(moment, "run") for moment in moments]
    assert fences == sorted(fences)
    assert len(set(fences)) == len(fences)
    assert make_fence(at(1), "a") < make_fence(at(1), "b")


@given(numbers=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_any_order_ends_at_the_highest_fence(numbers: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("storage"))
    seen = 0
    for number in numbers:
        assert try_to_publish(storage, number) == (Superseded if number < seen else None)
        seen = max(seen, number)
    assert current(storage, 1, Stage.VARIANTS) == manifest(max(numbers))


@given(
    before=st.lists(st.integers(1, 9), max_size=4),
    after=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_nothing_comes_back_after_a_tombstone(
    before: list[int], after: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("storage"))
    for number in before:
        try_to_publish(storage, number)
    tombstone(storage, 1, at(50))
    tombstone(storage, 1, at(60))
    assert {try_to_publish(storage, number) for number in after} == {Deleted}
    for artefact in Stage:
        assert current(storage, 1, artefact) is None
        pointer = read_pointer(storage, 1, artefact)
        assert pointer is not None
        assert pointer.deleted_at == at(50)


def test_racing_publishers_end_at_the_highest_fence(storage: Storage) -> None:
    start = threading.Barrier(12)
    unexpected: list[BaseException] = []

    def race(number: int) -> None:
        try:
            start.wait()
            try_to_publish(storage, number)
        except BaseException as error:
            unexpected.append(error)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []
    assert current(storage, 1, Stage.VARIANTS) == manifest(12)


def test_a_deletion_wins_against_racing_publishers(storage: Storage) -> None:
    start = threading.Barrier(9)

    def publisher(number: int) -> None:
        start.wait()
        try_to_publish(storage, number)

    def deleter() -> None:
        start.wait()
        tombstone(storage, 1, at(50))

    threads = [threading.Thread(target=publisher, args=(number,)) for number in range(1, 9)]
    threads.append(threading.Thread(target=deleter))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert current(storage, 1, Stage.VARIANTS) is None
    assert try_to_publish(storage, 99) is Deleted


@given(made=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 100)), min_size=1, max_size=6))
def test_first_made_at_is_the_earliest_that_ever_became_current(
    made: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    storage = LocalStorage(tmp_path_factory.mktemp("storage"))
    became_current = [
        at(seconds) for number, seconds in made if try_to_publish(storage, number, made_at=at(seconds)) is None
    ]
    pointer = read_pointer(storage, 1, Stage.VARIANTS)
    assert pointer is not None
    assert pointer.first_made_at == min(became_current)
    assert pointer.made_at == became_current[-1]


@pytest.mark.parametrize("data", [b"", b"{", b'{"fence": 1', b"\xff\xfe", b"[]"])
def test_a_pointer_that_nobody_can_read_is_said_in_one_line(storage: Storage, data: bytes) -> None:
    storage.put_bytes(pointer_key(1, Stage.VARIANTS), data)
    with pytest.raises(PermanentError, match=r"videos/1/variants/current\.json") as error:
        current(storage, 1, Stage.VARIANTS)
    assert "\n" not in str(error.value)


def test_a_manifest_that_nobody_can_read_is_said_in_one_line(storage: Storage) -> None:
    publish(storage, manifest(1))
    storage.put_bytes(manifest(1).key, b'{"artefact": "variants"}')
    with pytest.raises(PermanentError, match="is no manifest of this release") as error:
        current(storage, 1, Stage.VARIANTS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"[]", b"{}", b'{"manifest_key": "videos/2/variants/x/manifest.json"}']
)
def test_a_pointer_that_nobody_can_read_is_replaced_and_deleted_over(storage: Storage, data: bytes) -> None:
    key = pointer_key(1, Stage.VARIANTS)
    storage.put_bytes(key, data)
    publish(storage, manifest(1))
    assert current(storage, 1, Stage.VARIANTS) == manifest(1)
    storage.put_bytes(key, data)
    tombstone(storage, 1, at(5))
    assert deleted_at(storage, 1) == at(5)
    storage.put_bytes(key, data)
    with pytest.raises(Deleted):
        publish(storage, manifest(2))


def test_one_tombstone_that_is_left_keeps_a_video_deleted(storage: Storage) -> None:
    tombstone(storage, 1, at(5))
    for stage in list(Stage)[:-1]:
        if stage is Stage.VARIANTS:
            storage.put_bytes(pointer_key(1, stage), b"garbage")
        else:
            storage.delete(pointer_key(1, stage))
        assert deleted_at(storage, 1) == at(5)


def test_a_tombstone_of_another_video_deletes_nothing(storage: Storage) -> None:
    tombstone(storage, 2, at(5))
    publish(storage, manifest(1))
    stone = storage.get_bytes(pointer_key(2, Stage.UPLOADS))
    storage.put_bytes(pointer_key(1, Stage.UPLOADS), stone)
    assert deleted_at(storage, 1) is None
    assert deleted_at(storage, 2) == at(5)


def test_a_manifest_of_another_artifact_is_none_of_this_one(storage: Storage) -> None:
    publish(storage, manifest(1))
    storage.put_bytes(manifest(1).key, manifest_bytes(manifest(2)))
    with pytest.raises(PermanentError, match="another artifact"):
        current(storage, 1, Stage.VARIANTS)


def test_a_manifest_that_is_lost_is_said_with_what_makes_it_again(storage: Storage) -> None:
    publish(storage, manifest(1))
    storage.delete(manifest(1).key)
    with pytest.raises(Lost, match="`video-assets process --video 1` makes it again"):
        current(storage, 1, Stage.VARIANTS)


NOW = at(1000)
AHEAD = at(1000 + 7200)


@pytest.mark.parametrize(
    ("theirs", "after", "wins"),
    [
        (at(900), True, True),  # a clock that was set back between the two, by however little
        (AHEAD, True, True),
        (AHEAD, None, True),  # nobody knows which was first, but nothing is created in the future
        (at(990), None, False),
        (AHEAD, False, False),  # a worker that woke up late: what it makes is old
        (at(990), False, False),
    ],
)
def test_a_run_created_later_wins_whatever_the_clock_said(theirs: datetime, after: bool | None, wins: bool) -> None:
    pointer = Pointer(run_id="theirs", fence=make_fence(theirs, "theirs"))
    ours = make_fence(at(800), "ours")
    fence = fence_over(ours, "ours", pointer, after, NOW)
    assert (fence > pointer.fence) is wins
    assert (fence == ours) is not wins
    assert fence.endswith("/ours")
    assert len(fence.partition("/")[0]) == len(ours.partition("/")[0]), "fences compare as text, so they are as wide"


def test_a_fence_that_is_higher_anyway_stays(storage: Storage) -> None:
    pointer = Pointer(run_id="theirs", fence=make_fence(at(1), "theirs"))
    assert fence_over(make_fence(at(2), "ours"), "ours", pointer, False, NOW) == make_fence(at(2), "ours")
    assert fence_over(make_fence(at(2), "ours"), "ours", None, None, NOW) == make_fence(at(2), "ours")
