"""Names of languages, and the vote on which is spoken."""

from __future__ import annotations

import pytest

from video_assets.speech.language import agreed, code_of


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"),
        ("eng", "en"),
        ("English", "en"),
        ("en-GB", "en"),
        ("pt_BR", "pt"),
        ("ger", "de"),
        ("deu", "de"),
        ("Mandarin", "zh"),
        ("haitian creole", "ht"),
        (" German ", "de"),
        ("xx", None),
        ("", None),
        (None, None),
        (7, None),
        ("und", None),
        ("English" * 100, None),
    ],
)
def test_a_language_is_known_by_code_and_name(name: object, code: str | None) -> None:
    assert code_of(name) == code


def test_every_language_of_the_models_is_known() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert [code for code in _LANGUAGE_CODES if code_of(code) != code] == []


def test_an_excerpt_counts_by_how_much_is_said_in_it() -> None:
    voted = agreed([(1.0, {"cy": 1.0}), (20.0, {"en": 0.6, "de": 0.4})])
    assert voted is not None
    assert voted[0] == "en"
    assert voted[1] == pytest.approx(12 / 21)
    assert agreed([]) is None
    assert agreed([(0.0, {"en": 1.0})]) is None
