from __future__ import annotations

from itertools import product

import pytest

from video_assets.errors import PermanentError
from video_assets.speech.choose import choose

NOTHING = {"captions": False, "embedded": False, "model_set": False, "key_set": False, "has_audio": True}


@pytest.mark.parametrize(
    ("setting", "given", "chosen"),
    [
        ("auto", {"captions": True, "embedded": True, "model_set": True, "key_set": True}, "captions"),
        ("auto", {"embedded": True, "model_set": True, "key_set": True}, "embedded captions"),
        ("auto", {"model_set": True, "key_set": True}, "whisper"),
        ("auto", {"key_set": True}, "openai"),
        ("auto", {}, "whisper"),
        ("auto", {"has_audio": False, "model_set": True}, "none"),
        ("auto", {"has_audio": False, "captions": True}, "captions"),
        ("captions", {"embedded": True, "model_set": True}, "embedded captions"),
        ("captions", {"has_audio": False}, "none"),
        ("whisper", {"captions": True, "model_set": True}, "whisper"),
        ("whisper", {"key_set": True}, "whisper"),
        ("whisper", {"has_audio": False}, "none"),
        ("openai", {"captions": True, "model_set": True, "key_set": True}, "openai"),
        ("openai", {}, "openai"),
    ],
)
def test_the_transcriber_is_the_best_of_what_there_is(setting: str, given: dict[str, bool], chosen: str) -> None:
    assert choose(setting, **(NOTHING | given)) == chosen


def test_where_only_captions_are_allowed_their_lack_is_said_in_one_line() -> None:
    with pytest.raises(PermanentError, match=r"\.vtt or \.srt") as raised:
        choose("captions", **(NOTHING | {"model_set": True, "key_set": True}))
    assert "\n" not in str(raised.value)


def test_a_video_without_audio_never_fails() -> None:
    for setting, captions, embedded, model, key in product(
        ("auto", "captions", "whisper", "openai"), (True, False), (True, False), (True, False), (True, False)
    ):
        choose(setting, captions=captions, embedded=embedded, model_set=model, key_set=key, has_audio=False)
