"""The meaningful words of a text, folded so that the forms of a word count as one."""

# ruff: noqa: RUF001  (punctuation of many scripts is what this module is about)
from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from video_assets.language.scripts import is_wide
from video_assets.language.stems import STEMMERS, stem

ENGLISH_SHARE = 0.2
"""A transcript without a language counts as English if at least this share of its words are English function words."""
EVERYWHERE = 0.4
"""A word that is in a larger share of the sentences than this distinguishes none of them, and is left out."""
ENOUGH_SENTENCES = 12

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ENGLISH = (
    "a about above across after again against all almost also although always am among an and another any anything are "
    "around as ask at away back be because been before behind being below beside best between both but by came can "
    "cannot come could did do does doing done down during each either else enough even ever every everything far few "
    "find first for from full gave get give go goes going gone good got great had has have having he her here hers "
    "herself him himself his how however i if in indeed instead into is it its itself just keep kind knew know known "
    "large last later least less let like likely little look lot made make many may maybe me mean might mine more most "
    "much must my myself near need never next no nobody none nor not nothing now of off often on once one only onto or "
    "other others our ours ourselves out over own part perhaps please put quite rather really right said same saw say "
    "says see seem seen several shall she should show side since small so some something sometimes soon still such "
    "sure take tell than that the their theirs them themselves then there therefore these they thing things think this "
    "those though through time to today together told too took toward tried try two three four five six seven eight "
    "nine ten under until up upon us use used very want was way we well went were what whatever when where whether "
    "which while who whole whom whose why will with within without would yeah yes yet you your yours yourself "
    # Times of day and measures of time belong to every subject.
    "day days evening hour hours minute minutes month months morning night second seconds week weeks year years"
)
_FUNCTION_WORDS = frozenset(_ENGLISH.split())
_BEFORE = (
    "a about above an and any around at behind beside between each every for from her his in into its my near no of on "
    "one our over some such that the their these this those through to two three four five six seven eight nine ten "
    "under with without your"
)
_BEFORE_NAMES = frozenset(_BEFORE.split())
"""Words before nouns. A word that never follows one of these is mostly a verb."""
_DESCRIBING = (
    "bad best better big certain clear cold common dark different early easy entire fast few full hard heavy high hot "
    "huge important interesting light long low main modern new old open possible simple short slow soft special strong "
    "true usual warm weak wet wide young"
)
_ADJECTIVES = frozenset(_DESCRIBING.split())
_STEMMED_LANGUAGES = "ar da de el en es fi fr hu it nl no pt ro ru sv tr"
_STEMMED = frozenset(_STEMMED_LANGUAGES.split())
"""Languages whose words are stemmed. One more would need a new `VERSION` of the summaries."""


@dataclass(frozen=True)
class Term:
    """A meaningful word: its folded form, and its spelling in the text."""

    stem: str
    written: str
    names: bool = True
    """Whether it is in the position of a noun. Always true in languages other than English, of which no rules are
    known."""


def words(text: str) -> list[str]:
    """Every word in lower case. In scripts without spaces each character is a word."""
    return [word.lower() for word in _written(text)]


def _written(text: str) -> list[str]:
    found: list[str] = []
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text)):
        word = match[0].replace("’", "'")
        if word.isascii() or not any(is_wide(character) for character in word):
            found.append(word)
        else:
            found.extend(word)
    return found


def is_english(language: str | None, texts: Sequence[str]) -> bool:
    """Whether the language is English, by its code or else by its function words."""
    if language is not None:
        return language.lower().startswith("en")
    every = [word for text in texts for word in words(text)]
    return bool(every) and sum(word in _FUNCTION_WORDS for word in every) >= ENGLISH_SHARE * len(every)


def terms(texts: Sequence[str], language: str | None) -> list[list[Term]]:
    """The meaningful words of each text, in order.

    Left out are words of one or two letters, numbers, and in English the function words; in other languages, words that
    are in nearly every sentence. In scripts without spaces, pairs of characters are words.
    """
    english = is_english(language, texts)
    code = "en" if english else (language or "").lower()[:2]
    stemmer = STEMMERS[code] if code in _STEMMED else ""
    found = []
    for text in texts:
        written = _written(text)
        plain = [word.lower() for word in written]
        line = []
        for at, word in enumerate(plain):
            if len(word) > 2 and not word.isdigit() and not (english and word.split("'")[0] in _FUNCTION_WORDS):
                # A capital at the beginning of a sentence means nothing; elsewhere it belongs to a name.
                spelling = written[at] if at else word
                named = not english or (at > 0 and plain[at - 1] in _BEFORE_NAMES and word not in _ADJECTIVES)
                line.append(Term(_stem(stemmer, word), spelling, named))
        line += [Term(left + right, left + right) for left, right in pairwise(plain) if _may_be_word(left, right)]
        found.append(line)
    return found if english else _without_common(found)


def _may_be_word(left: str, right: str) -> bool:
    """Whether two characters of a script without spaces may be a word. Not hiragana, which are mostly endings."""
    return len(left) == len(right) == 1 and all(is_wide(each) and not "ぁ" <= each <= "ゟ" for each in (left, right))


def _without_common(lines: list[list[Term]]) -> list[list[Term]]:
    if len(lines) < ENOUGH_SENTENCES:
        return lines
    counts = Counter(stem for line in lines for stem in {term.stem for term in line})
    common = {stem for stem, count in counts.items() if count > EVERYWHERE * len(lines)}
    return [[term for term in line if term.stem not in common] for line in lines]


@lru_cache(maxsize=100_000)
def _stem(stemmer: str, word: str) -> str:
    return stem(word, stemmer) if stemmer else word
