"""Names and codes of languages."""

from __future__ import annotations

import pytest

from video_assets.language.names import code_of, name_of, primary


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


@pytest.mark.parametrize(
    ("code", "name"), [("de", "German"), ("es", "Spanish"), ("ht", "Haitian"), ("zh", "Chinese"), ("xx", None)]
)
def test_a_language_has_a_name_in_english(code: str, name: str | None) -> None:
    assert name_of(code) == name


@pytest.mark.parametrize(("tag", "language"), [("de-AT", "de"), ("PT_br", "pt"), ("yue", "yue"), ("", ""), (None, "")])
def test_a_tag_begins_with_its_language(tag: str | None, language: str) -> None:
    assert primary(tag) == language
