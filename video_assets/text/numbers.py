"""Numbers in a text, whether written in digits or in English words."""

from __future__ import annotations

import re

from video_assets.text.terms import words

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_ORDINALS = (
    "fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth"
)  # the first three order things more often than they count them
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
    """The numbers a text gives, each in one spelling: `3,000`, `3000` and `three thousand` are the same."""
    return frozenset(_in_digits(text)) | frozenset(str(value) for value, _ in _in_words(text))


def number_parts(text: str) -> frozenset[str]:
    """The numbers of a text, and what they are put together from: whoever says `nineteen eighty-seven` has said 1987,
    19 and 87, too."""
    found = set(_in_digits(text))
    run = _in_words(text)
    for at, (value, parts) in enumerate(run):
        found.update(map(str, (value, *parts)))
        if at + 1 < len(run) and 10 <= value < 100 and 10 <= run[at + 1][0] < 100:
            found.add(str(value * 100 + run[at + 1][0]))
    return frozenset(found)


def _in_digits(text: str) -> list[str]:
    found = []
    for match in _DIGITS.finditer(text):
        plain = re.sub(r"[.,]", "", match[0]) if _GROUPED.fullmatch(match[0]) else match[0].replace(",", ".")
        found.append(plain.lstrip("0") or "0")
    return found


def _in_words(text: str) -> list[tuple[int, list[int]]]:
    """Each number in words: its value, and the values of its words."""
    found: list[tuple[int, list[int]]] = []
    total = current = 0
    parts: list[int] = []
    spoken = words(text)

    def close() -> None:
        nonlocal total, current
        if parts:
            found.append((total + current, list(parts)))
        total = current = 0
        parts.clear()

    for at, word in enumerate(spoken):
        if word in SMALL:
            value = SMALL[word]
            # "twenty five" and "hundred and five" go on; "two three" and "nineteen eighty" begin anew.
            if parts and not (current % 100 == 0 or (current % 100 in range(20, 100, 10) and 0 < value < 10)):
                close()
            current += value
            parts.append(value)
        elif word in LARGE:
            scale = LARGE[word]
            if scale < 1000:
                current = max(current, 1) * scale
            else:
                total, current = total + max(current, 1) * scale, 0
            parts.append(scale)
        elif not (word == "and" and parts and parts[-1] >= 100 and at + 1 < len(spoken) and spoken[at + 1] in SMALL):
            close()
    close()
    return found
