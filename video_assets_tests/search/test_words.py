from __future__ import annotations

import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.search import words

texts = st.text(st.one_of(st.characters(), st.sampled_from("aeéß_' .-小パนé\u0301नमस्ते")), max_size=60)
letters = st.text("abc", max_size=7)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop, l'eau!", ["don", "t", "stop", "l", "eau"]),
        ("Straße Été e\u0301te\u0301 ŒUVRE ﬁsh Ⅳ", ["strasse", "ete", "ete", "oeuvre", "fish", "iv"]),
        ("小麦粉とパン", ["小", "麦", "粉", "と", "パ", "ン"]),
        ("한국어 नमस्ते दुनिया", ["한국어", "नमस्ते", "दुनिया"]),
        ("مُحَمَّد שָׁלוֹם", ["محمد", "שלום"]),
        ("a_b 3.5 E9", ["a", "b", "3", "5", "e9"]),
        ("?! — …", []),
    ],
)
def test_words_are_told_apart_and_folded(text: str, found: list[str]) -> None:
    assert words.split(text) == found


@given(texts)
def test_words_and_their_places_agree(text: str) -> None:
    found = words.found(text)
    assert [each.word for each in found] == words.split(text)
    assert all(each.word and text[each.start : each.end] for each in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert words.split(" ".join(words.split(text))) == words.split(text), "what is folded stays as it is"


def test_every_plain_character_is_a_letter_or_stands_between_words() -> None:
    for code in range(128):
        character = chr(code)
        expected = [f"a{character.lower()}b"] if character.isalnum() else ["a", "b"]
        assert words.split(f"A{character}B") == expected
        assert [each.word for each in words.found(f"A{character}B")] == expected


@given(letters, letters, st.integers(0, 3))
def test_edits_are_counted(one: str, other: str, most: int) -> None:
    assert words.edits(one, other, most) == min(_edits(one, other), most + 1)


@cache
def _edits(one: str, other: str) -> int:
    """The same by definition: what is changed last is a letter added, left out, changed, or two swapped."""
    if not one or not other:
        return len(one) + len(other)
    ways = [_edits(one[:-1], other) + 1, _edits(one, other[:-1]) + 1]
    ways.append(_edits(one[:-1], other[:-1]) + (one[-1] != other[-1]))
    if len(one) > 1 and len(other) > 1 and one[-2:] == other[-2:][::-1]:
        ways.append(_edits(one[:-2], other[:-2]) + 1)
    return min(ways)
