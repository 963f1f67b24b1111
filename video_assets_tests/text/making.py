"""Makes what these tests summarise, and who asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from video_assets.artifacts.answers import Answers
from video_assets.storage.local import LocalStorage
from video_assets.text.llm.asking import Asker
from video_assets.text.llm.budget import Budget, Ceiling, Prices
from video_assets.text.llm.language_model import LanguageModel
from video_assets.text.llm.pace import Pace
from video_assets.text.llm.server import Server
from video_assets_tests.text.standin import StandIn

KEY = "sk-not-to-be-seen-4711"
_GROUNDING = Path(__file__).parents[1] / "fixtures" / "grounding"
GROUNDING = json.loads((_GROUNDING / "talks.json").read_text())
UNSEEN = json.loads((_GROUNDING / "unseen.json").read_text())
"""Talks that were judged before the rules were made for them: batch 1 before any, batch 2 after those for batch 1."""
"""Talks with sentences that say what was said in other words, and invented ones."""


THINGS = "anchor basket candle drawer engine feather garden hammer island jacket kettle ladder mirror needle"
VERBS = "carries follows lifts meets paints repairs touches washes"
PRICES, NO_CEILING = Prices(0.15, 0.6), Ceiling()


@dataclass
class Piece:
    start: float
    end: float
    text: str


@dataclass
class Said:
    """A transcript, one segment a text."""

    segments: list[Piece] = field(default_factory=list)
    language: str | None = "en"

    @property
    def duration(self) -> float:
        return self.segments[-1].end if self.segments else 0.0


def said(*texts: str, language: str | None = "en") -> Said:
    return Said([Piece(at * 5.0, at * 5.0 + 4.5, text) for at, text in enumerate(texts)], language)


def lecture(sentences: int) -> Said:
    """A lecture of so many different sentences of 16 tokens."""
    things, verbs = THINGS.split(), VERBS.split()
    texts = []
    for at in range(sentences):
        one, other = things[at % len(things)], things[(at * 5 + 3) % len(things)]
        texts.append(f"The {one} number {at + 10} {verbs[at % len(verbs)]} a wooden {other} near the river.")
    return said(*texts)


def model(
    standin: StandIn, *, pace: Pace | None = None, sleeps: list[float] | None = None, **changes: Any
) -> LanguageModel:
    """The stand-in's model. Pauses are noted instead of made."""
    server = Server(
        **{"model": "stand-in", "base_url": standin.url, "api_key": SecretStr(KEY), "timeout": 20.0, **changes}
    )
    noted = sleeps if sleeps is not None else []
    return LanguageModel(
        server, pace=pace or Pace(server.rate, sleep=noted.append, clock=_Leaping(noted)), sleep=noted.append
    )


class _Leaping:
    """A clock that goes by what was slept."""

    def __init__(self, slept: list[float]) -> None:
        self.slept = slept

    def __call__(self) -> float:
        return sum(self.slept)


def asker(
    standin: StandIn,
    folder: Path,
    *,
    video_id: int = 1,
    prices: Prices = PRICES,
    ceiling: Ceiling = NO_CEILING,
    **changes: Any,
) -> Asker:
    return Asker(model(standin, **changes), Answers(LocalStorage(folder)), video_id, Budget(prices, ceiling))
