"""Why an artifact is not what today's settings and code would make. A pure comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from video_assets.projection.state import Current
from video_assets.recipes import Wanted

Kind = Literal["missing", "input", "code", "params", "other"]


@dataclass(frozen=True)
class Reason:
    """One difference, and a line about it for people."""

    kind: Kind
    text: str


def stale(current: Current | None, wanted: Wanted, *, adopted: bool = False) -> list[Reason]:
    """Why it would be made again; empty where it is fresh. The fingerprint alone decides. What a video that was
    `adopted` ready has of the services before counts as it is: only what we made of it can be stale."""
    if current is None:
        return [] if adopted else [Reason("missing", "was never made")]
    if current.fingerprint == wanted.fingerprint:
        return []
    reasons = [Reason("input", words) for words in _inputs(current.inputs, wanted.inputs)]
    if current.code_version != wanted.code_version:
        reasons.append(Reason("code", f"code version {current.code_version} became {wanted.code_version}"))
    reasons += [Reason("params", words) for words in _params(current.params, wanted.params)]
    return reasons or [Reason("other", "its fingerprint is reckoned differently by this release")]


def _inputs(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    words = []
    for name in sorted({*then, *now}):
        if name not in now:
            words.append(f"{name} is no longer an input")
        elif name not in then:
            words.append(f"{name} is a new input")
        elif then[name] != now[name]:
            words.append(f"{name} changed")
    return words


def _params(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {_short(then.get(name))} became {_short(now.get(name))}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
