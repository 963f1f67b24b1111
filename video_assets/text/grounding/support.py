"""Whether the transcript supports a sentence that a model wrote: how much of it, and where.

A sentence is compared with the few sentences that it cites and, since models miscount, with every `STRETCH` consecutive
sentences of the transcript. Its score is the share of its meaningful words that occur there; rare words count more. A
number or a name that was never said makes it ungrounded, whatever its score. This finds invented statements and
details. `contradiction.py` finds some of the sentences that reverse a meaning with the talk's own words.
"""

# ruff: noqa: RUF001  (punctuation of many scripts)
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from video_assets.text.extractive.terms import Term, is_english, terms, words
from video_assets.text.grounding.contradiction import VERSION as CONTRADICTION
from video_assets.text.grounding.contradiction import Said, contradicted, said
from video_assets.text.grounding.function_words import function_words, number_words
from video_assets.text.grounding.numbers import NUMBER_WORDS, numbers, numbers_meant

VERSION = f"grounding-2+{CONTRADICTION}"

GROUNDED = 0.5
"""From this score on a sentence is grounded. `docs/summaries.md` has the measurements."""
NUMBER = 0.5
"""The weight of a number that occurs in the evidence: low, since the number may belong to something else there."""
STRETCH = 4
"""How many consecutive sentences are compared together as evidence that was not cited."""
MOST_CITED = 6
AROUND = 1
"""How many sentences before and after a cited one count as cited too."""

_FRAMING = (
    "speaker speakers presenter host narrator video talk lecture episode viewer viewers audience explain explains "
    "explained explaining describe describes described describing discuss discusses discussed discussing introduce "
    "introduces present presents presented mention mentions mentioned show shows shown demonstrate demonstrates "
    "stress stresses emphasize emphasizes emphasise emphasises highlight highlights recommend recommends advise "
    "advises warn warns note notes add adds tell tells teach teaches conclude concludes according topic topics "
    "subject section cover covers covered include includes including finally also then first begin begins start "
    "starts end ends sprecher sprecherin vortrag erklärt beschreibt zeigt empfiehlt warnt betont außerdem "
    "schließlich zunächst conférencier explique décrit montre recommande ponente explica muestra recomienda"
)
_FRAMES = frozenset(_FRAMING.split())
"""Words with which summaries introduce what was said. They need no evidence."""
_UNCOUNTED = frozenset({"1"})
"""Numbers that need no evidence: “one” is as often a pronoun."""
_CAPITAL = re.compile(r"(?<![.!?…:\"“»]\s)(?<=\s)[A-ZÀ-ÖØ-Þ][\w'’-]+")
_TITLES = frozenset(["dr", "mr", "mrs", "ms", "prof", "sir", "st"])
_PAIR = re.compile(r"\b(?=([A-ZÀ-ÖØ-Þ][\w'’-]+) ([A-ZÀ-ÖØ-Þ][\w'’-]+))")
_LEAST_PREFIX = 5


@dataclass(frozen=True)
class Support:
    """How well a sentence is grounded."""

    score: float
    """0 to 1: the share of its meaningful words that occur in its evidence."""
    at: tuple[int, ...]
    """The numbers of the sentences that are its evidence, rising; empty if there is none."""

    @property
    def grounded(self) -> bool:
        return self.score >= GROUNDED


class Evidence:
    """A transcript's sentences, prepared for `support`. `left_out`: numbers of sentences that are no evidence."""

    def __init__(self, texts: Sequence[str], language: str | None, left_out: frozenset[int] = frozenset()) -> None:
        self.english = is_english(language, texts)
        self.language = "en" if self.english else (language or "und")
        self._number_words = number_words(self.language)
        self._function_words = function_words(self.language) | self._number_words
        self._lines = [
            frozenset() if at in left_out else frozenset(term.stem for term in line)
            for at, line in enumerate(terms(texts, self.language))
        ]
        shown = ["" if at in left_out else text for at, text in enumerate(texts)]
        self._words = [frozenset(words(text)) for text in shown]
        self._numbers = [self._numbers_in(text, numbers_meant) for text in shown]
        self._shown = shown
        self._taken_apart: dict[int, Said] = {}
        self._surnames = self._followers(shown)
        self.left_out = len(left_out)
        self._spoken_words = frozenset().union(*self._words)
        self._counts = Counter(stem for line in self._lines for stem in line)
        self._known = sorted(self._counts)
        self._where: dict[str, list[int]] = {}
        for at, line in enumerate(self._lines):
            for stem in line:
                self._where.setdefault(stem, []).append(at)

    def support(self, text: str, cited: Sequence[int] = ()) -> Support:
        """How well the transcript supports a sentence that cites the sentences of these numbers."""
        wanted = {term.stem: frozenset(self._alike(term.stem)) for term in self._terms(text)}
        if not wanted:
            return Support(0.0, ())
        weights = {stem: self._weight(alike) for stem, alike in wanted.items()}
        counted = self._numbers_in(text, numbers) - _UNCOUNTED
        if self._strange_names(text) or self._strange_surnames(text):
            return Support(0.0, ())
        best = Support(0.0, ())
        valid = sorted({at for at in cited if 0 <= at < len(self._lines)})[:MOST_CITED]
        around = sorted({n for at in valid for n in range(at - AROUND, at + AROUND + 1) if 0 <= n < len(self._lines)})
        for stretch, shown in [(around, valid), *((each, each) for each in self._stretches(wanted.values()))]:
            said = {stem for at in stretch for stem in self._lines[at]}
            if not counted <= {number for at in stretch for number in self._numbers[at]}:
                continue
            found = NUMBER * len(counted) + sum(weights[stem] for stem, alike in wanted.items() if alike & said)
            score = found / (NUMBER * len(counted) + sum(weights.values()))
            if score > best.score + 1e-9:
                best = Support(round(score, 3), tuple(shown))
        return Support(0.0, ()) if best.at and self._contradicts(text, wanted, best.at) else best

    def _contradicts(self, text: str, wanted: Mapping[str, frozenset[str]], at: Iterable[int]) -> bool:
        """Whether the sentence contradicts the transcript's sentences of these numbers."""
        for number in at:
            if number not in self._taken_apart:
                self._taken_apart[number] = self._parted(self._shown[number])
        return contradicted(self._parted(text), [self._taken_apart[number] for number in at], wanted)

    def _parted(self, text: str) -> Said:
        return said(text, self.language, lambda part: [term.stem for term in self._terms(part)], self._number_words)

    def coverage(self, texts: Sequence[str]) -> float | None:
        """The share of the transcript's meaningful words, each counted as often as it is said, that the texts have."""
        mentioned = {known for text in texts for term in self._terms(text) for known in self._alike(term.stem)}
        total = self._counts.total()
        return round(sum(self._counts[stem] for stem in mentioned) / total, 3) if total else None

    def _numbers_in(self, text: str, english: Callable[[str], frozenset[str]]) -> frozenset[str]:
        """The text's numbers in one spelling; in other languages than English also its number words, unchanged."""
        return english(text) | (self._number_words & frozenset(words(text)) if self._number_words else frozenset())

    def _terms(self, text: str) -> list[Term]:
        return [
            term
            for term in terms([text], self.language)[0]
            if term.written.lower() not in _FRAMES | NUMBER_WORDS | self._function_words
        ]

    def _alike(self, stem: str) -> list[str]:
        """The transcript's words that count as the same word: with another ending, or as part of a compound."""
        if stem in self._counts:
            return [stem]
        if len(stem) < _LEAST_PREFIX:
            return []
        least = max(_LEAST_PREFIX, round(0.7 * len(stem)))
        return [known for known in self._known if _common_prefix(stem, known) >= min(least, max(len(known), 5))]

    def _weight(self, alike: frozenset[str]) -> float:
        """The weight of a word: rare words weigh more, and one that was never said has the highest weight."""
        count = max((self._counts[stem] for stem in alike), default=0)
        return 1.0 if not count else 0.4 + 0.6 / (1 + math.log(count))

    def _stretches(self, wanted: Iterable[frozenset[str]]) -> list[list[int]]:
        """The stretches of `STRETCH` sentences that begin with a sentence in which one of the words is said."""
        starts = {at for alike in wanted for stem in alike for at in self._where[stem]}
        return [list(range(at, min(at + STRETCH, len(self._lines)))) for at in sorted(starts)]

    def _strange_names(self, text: str) -> bool:
        """Whether the text has a name that was never said. Never so in German, where every noun has a capital."""
        if self.language.startswith("de"):
            return False
        named = [match[0].lower().replace("’", "'").removesuffix("'s") for match in _CAPITAL.finditer(text)]
        return any(not set(words(name)) <= self._spoken_words for name in named if name not in _FRAMES | _TITLES)

    def _strange_surnames(self, text: str) -> bool:
        """Whether the text gives a person another surname than the transcript does."""
        return any(
            name in self._surnames and surname not in self._surnames[name] and surname not in self._spoken_words
            for name, surname in _pairs(text)
        )

    @staticmethod
    def _followers(texts: Iterable[str]) -> dict[str, set[str]]:
        """For each name that never occurs alone, the names that follow it."""
        found: dict[str, set[str]] = {}
        alone: set[str] = set()
        for text in texts:
            pairs = list(_pairs(text))
            for name, surname in pairs:
                found.setdefault(name, set()).add(surname)
            leading = Counter(name for name, _ in pairs)
            alone |= {name for name, count in Counter(words(text)).items() if count > leading[name]}
        return {name: surnames for name, surnames in found.items() if name not in alone}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Each two consecutive words with capitals, in lower case."""
    for match in _PAIR.finditer(text):
        yield match[1].lower(), match[2].lower().replace("’", "'").removesuffix("'s")


def _common_prefix(left: str, right: str) -> int:
    size = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        size += 1
    return size
