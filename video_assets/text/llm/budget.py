"""The limit on what one video may cost, checked before each call."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from video_assets.errors import PermanentError


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens."""

    question: float = 0.0
    answer: float = 0.0

    def usd(self, question_tokens: int, answer_tokens: int) -> float:
        """The price of a call."""
        return (question_tokens * self.question + answer_tokens * self.answer) / 1e6


@dataclass(frozen=True)
class Ceiling:
    """The most that one video may cost. 0: no limit."""

    usd: float = 0.0
    tokens: int = 0


class Budget:
    """The tokens and dollars that one video has cost. Threads may share it.

    The most that a call can cost is set aside before it begins, so that simultaneous calls cannot exceed the ceiling
    together. Stored answers of earlier tries count too: the ceiling is for the video, not for the run.
    """

    def __init__(self, prices: Prices, ceiling: Ceiling) -> None:
        self.prices, self.ceiling = prices, ceiling
        self.tokens = 0
        self.usd = 0.0
        self._aside: list[tuple[int, float]] = []
        self._guard = threading.Lock()

    def check(self, question_tokens: int, answer_tokens: int, what: str) -> None:
        """Raises PermanentError if this many more tokens would exceed the ceiling."""
        with self._guard:
            self._check(question_tokens, answer_tokens, what)

    def set_aside(self, question_tokens: int, answer_tokens: int, what: str) -> tuple[int, float]:
        """Sets aside the most that a call can cost, and returns it for `release`. Raises PermanentError if that would
        exceed the ceiling."""
        with self._guard:
            most = self._check(question_tokens, answer_tokens, what)
            self._aside.append(most)
            return most

    def release(self, aside: tuple[int, float]) -> None:
        """Ends what `set_aside` returned. What the call really cost is counted by `spend`."""
        with self._guard:
            self._aside.remove(aside)

    def spend(self, question_tokens: int, answer_tokens: int) -> None:
        """Counts the tokens of a question and its answer."""
        with self._guard:
            self.tokens += question_tokens + answer_tokens
            self.usd += self.prices.usd(question_tokens, answer_tokens)

    def _check(self, question_tokens: int, answer_tokens: int, what: str) -> tuple[int, float]:
        more = (question_tokens + answer_tokens, self.prices.usd(question_tokens, answer_tokens))
        tokens = self.tokens + sum(each[0] for each in self._aside) + more[0]
        usd = self.usd + sum(each[1] for each in self._aside) + more[1]
        advice = "raise it, or set VIDEO_ASSETS_SUMMARIZER=extractive"
        if self.ceiling.usd and usd > self.ceiling.usd + 1e-12:
            raise PermanentError(
                f"{what} may bring this video to {usd:.4f} US dollars; VIDEO_ASSETS_SUMMARY_MAX_USD allows "
                f"{self.ceiling.usd:g}: {advice}"
            )
        if self.ceiling.tokens and tokens > self.ceiling.tokens:
            raise PermanentError(
                f"{what} may bring this video to {tokens} tokens; VIDEO_ASSETS_SUMMARY_MAX_TOKENS allows "
                f"{self.ceiling.tokens}: {advice}"
            )
        return more
