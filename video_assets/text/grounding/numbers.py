"""The numbers in a text, in digits or in English words."""

from __future__ import annotations

import re
from itertools import pairwise

from video_assets.text.extractive.terms import words

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_ORDINALS = (
    "fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
)  # not first, second and third, which are rarely used as numbers
_TENS = "thirty forty fifty sixty seventy eighty ninety"
SMALL = (
    {word: number for number, word in enumerate(_UNITS.split())}
    | {word: number for number, word in enumerate(_ORDINALS.split(), 4)}
    | {word: number for word, number in zip(_TENS.split(), range(30, 100, 10), strict=True)}
)
LARGE = {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
NUMBER_WORDS = frozenset(SMALL) | frozenset(LARGE)

_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def numbers(text: str) -> frozenset[str]:
    """The numbers in a text, each in one spelling: `3,000`, `3000` and `three thousand` are the same."""
    return frozenset(_in_digits(text)) | frozenset(map(str, _in_words(text)))


def numbers_meant(text: str) -> frozenset[str]:
    """The numbers in a text, and the years that are said as two numbers: `nineteen eighty-seven` is also 1987."""
    pairs = pairwise(_in_words(text))
    years = {str(left * 100 + right) for left, right in pairs if 10 <= left < 100 and 10 <= right < 100}
    return numbers(text) | years


def _in_digits(text: str) -> list[str]:
    found = []
    for match in _DIGITS.finditer(text):
        plain = re.sub(r"[.,]", "", match[0]) if _GROUPED.fullmatch(match[0]) else match[0].replace(",", ".")
        found.append(plain.lstrip("0") or "0")
    return found


def _in_words(text: str) -> list[int]:
    """The value of each number in words."""
    found: list[int] = []
    total = current = last = 0
    spoken = words(text)
    for at, word in enumerate([*spoken, ""]):
        if word in SMALL:
            value = SMALL[word]
            # "twenty five" and "hundred and five" are one number; "two three" and "nineteen eighty" are two.
            if last and not (current % 100 == 0 or (current % 100 in range(20, 100, 10) and 0 < value < 10)):
                found.append(total + current)
                total = current = 0
            current, last = current + value, 1
        elif word in LARGE:
            scale = LARGE[word]
            if scale < 1000:
                current = max(current, 1) * scale
            else:
                total, current = total + max(current, 1) * scale, 0
            last = scale
        elif last and not (word == "and" and last >= 100 and spoken[at + 1 : at + 2] and spoken[at + 1] in SMALL):
            found.append(total + current)
            total = current = last = 0
    return found
