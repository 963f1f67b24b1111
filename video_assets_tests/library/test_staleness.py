"""Why an artifact would be made again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from video_assets.library.staleness import stale
from video_assets.projection.state import Current
from video_assets.recipes import Wanted
from video_assets.videos import Stage
from video_assets_tests.projection.histories import at

CURRENT = Current(
    stage=Stage.VARIANTS,
    run_id="r",
    fence="f",
    fingerprint="old",
    content_hash="c",
    manifest_key="k",
    made_at=at(0),
    first_made_at=at(0),
    code_version="1",
    inputs={"uploads": "a"},
    params={"heights": [720], "crf": 23},
)


def reasons(**changes: Any) -> list[tuple[str, str]]:
    same = {"inputs": CURRENT.inputs, "code_version": "1", "params": CURRENT.params}
    return [(reason.kind, reason.text) for reason in stale(CURRENT, Wanted(**{**same, **changes}))]


def test_the_same_fingerprint_is_fresh_whatever_else_is_said() -> None:
    wanted = Wanted({"uploads": "b"}, {}, "2")
    assert stale(replace(CURRENT, fingerprint=wanted.fingerprint), wanted) == []


def test_what_was_never_made_is_missing() -> None:
    assert [reason.kind for reason in stale(None, Wanted({}, {}, "1"))] == ["missing"]


def test_each_difference_is_a_reason_of_its_own() -> None:
    assert reasons(inputs={"uploads": "b"}) == [("input", "uploads changed")]
    assert reasons(inputs={"uploads": "a", "captions": "x"}) == [("input", "captions is a new input")]
    assert reasons(inputs={}) == [("input", "uploads is no longer an input")]
    assert reasons(code_version="2") == [("code", "code version 1 became 2")]
    assert reasons(params={"heights": [720, 480], "crf": 23}) == [("params", "heights: [720] became [720, 480]")]
    assert len(reasons(inputs={}, code_version="2", params={})) == 4


def test_a_fingerprint_that_differs_for_no_reason_known_is_stale_all_the_same() -> None:
    assert [kind for kind, _ in reasons()] == ["other"]


def test_a_long_parameter_is_cut() -> None:
    ((_, text),) = reasons(params={**CURRENT.params, "prompt": "x" * 500})
    assert len(text) < 160
