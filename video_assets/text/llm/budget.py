"""What one video may cost, looked at before each call."""

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
        """What so many tokens cost."""
        return (question_tokens * self.question + answer_tokens * self.answer) / 1e6


@dataclass(frozen=True)
class Ceiling:
    """The most that one video may take. 0: no ceiling."""

    usd: float = 0.0
    tokens: int = 0


class Budget:
    """Tokens and dollars of one video. What a call may take at most is set aside before it begins, so that calls
    beside each other cannot pass the ceiling together. Answers bought by an earlier try count as well: it is the
    video that has a ceiling, not the run."""

    def __init__(self, prices: Prices, ceiling: Ceiling) -> None:
        self.prices, self.ceiling = prices, ceiling
        self.tokens = 0
        self.usd = 0.0
        self._aside: list[tuple[int, float]] = []
        self._guard = threading.Lock()

    def check(self, question_tokens: int, answer_tokens: int, what: str) -> None:
        """PermanentError where so much more would be over the ceiling."""
        with self._guard:
            self._check(question_tokens, answer_tokens, what)

    def set_aside(self, question_tokens: int, answer_tokens: int, what: str) -> tuple[int, float]:
        """Sets the most that a call can take aside, and returns it. PermanentError where that is too much."""
        with self._guard:
            most = self._check(question_tokens, answer_tokens, what)
            self._aside.append(most)
            return most

    def release(self, aside: tuple[int, float]) -> None:
        """The call is over: what it took is spent, what it did not take is free again."""
        with self._guard:
            self._aside.remove(aside)

    def spend(self, question_tokens: int, answer_tokens: int) -> None:
        """Notes what an answer took."""
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
