"""A fingerprint is the same for the same making, and another for any other."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from video_assets.artifacts import content_hash, digest, fingerprint
from video_assets.artifacts.fingerprint import canonical, file_sha256
from video_assets_tests.artifacts.making import file

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
mappings = st.dictionaries(names, values, max_size=6)


def reordered(value: Any, seed: int) -> Any:
    """The same value with its keys in another order, everywhere."""
    if isinstance(value, dict):
        keys = list(value)
        random.Random(seed).shuffle(keys)
        return {key: reordered(value[key], seed) for key in keys}
    if isinstance(value, list):
        return [reordered(item, seed) for item in value]
    return value


@given(inputs=st.dictionaries(names, names), params=mappings, seed=st.integers())
def test_the_order_of_keys_does_not_matter(inputs: dict[str, str], params: dict[str, Any], seed: int) -> None:
    assert fingerprint(inputs, "1", params) == fingerprint(reordered(inputs, seed), "1", reordered(params, seed))


@given(first=mappings, second=mappings)
def test_other_parameters_give_another_fingerprint(first: dict[str, Any], second: dict[str, Any]) -> None:
    assume(canonical(first) != canonical(second))
    assert fingerprint({}, "1", first) != fingerprint({}, "1", second)


@given(inputs=st.dictionaries(names, names, min_size=1), data=st.data())
def test_every_input_matters_by_name_and_by_content(inputs: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(inputs)))
    before = fingerprint(inputs, "1", {})
    assert fingerprint(inputs | {name: inputs[name] + "x"}, "1", {}) != before
    assert fingerprint({other: inputs[other] for other in inputs if other != name}, "1", {}) != before
    renamed = {other: inputs[other] for other in inputs if other != name} | {name + "x": inputs[name]}
    assert fingerprint(renamed, "1", {}) != before or name + "x" in inputs


@given(code=names, other=names)
def test_the_code_version_matters(code: str, other: str) -> None:
    assume(code != other)
    assert fingerprint({}, code, {}) != fingerprint({}, other, {})


def test_an_input_is_no_parameter() -> None:
    assert fingerprint({"a": "b"}, "1", {}) != fingerprint({}, "1", {"a": "b"})


def test_text_beyond_ascii_has_one_spelling() -> None:
    assert canonical({"b": "é", "a": 1}) == '{"a":1,"b":"é"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_has_no_spelling_for_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"crf": value})


def test_content_is_names_bytes_and_facts_and_not_how_it_came_about() -> None:
    one, two = file("a.mp4", "1" * 64), file("b.mp4", "2" * 64)
    hashed = content_hash([one, two], {"rungs": 2})
    assert content_hash([two, one], {"rungs": 2}) == hashed
    moved = file("a.mp4", "1" * 64, key="videos/1/elsewhere/a.mp4", part="p")
    assert content_hash([moved, two], {"rungs": 2}) == hashed
    assert content_hash([one, two], {"rungs": 3}) != hashed
    assert content_hash([one], {"rungs": 2}) != hashed
    assert content_hash([one, file("b.mp4", "3" * 64)], {"rungs": 2}) != hashed
    assert content_hash([one, file("c.mp4", "2" * 64)], {"rungs": 2}) != hashed


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1, 3 * 2**20 + 7])
def test_a_file_is_hashed_whole(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()
