from __future__ import annotations

from itertools import product

import pytest

from video_assets.errors import PermanentError
from video_assets.speech.choose import choose

NOTHING = {"captions": False, "embedded": False, "whisper_model": "", "remote_key": False, "has_audio": True}


@pytest.mark.parametrize(
    ("setting", "given", "chosen"),
    [
        ("auto", {"captions": True, "embedded": True, "whisper_model": "m", "remote_key": True}, "captions"),
        ("auto", {"embedded": True, "whisper_model": "m", "remote_key": True}, "embedded captions"),
        ("auto", {"whisper_model": "m", "remote_key": True}, "whisper"),
        ("auto", {"remote_key": True}, "openai"),
        ("auto", {"has_audio": False, "whisper_model": "m"}, "none"),
        ("auto", {"has_audio": False, "captions": True}, "captions"),
        ("captions", {"embedded": True, "whisper_model": "m"}, "embedded captions"),
        ("captions", {"has_audio": False}, "none"),
        ("whisper", {"captions": True, "whisper_model": "m"}, "whisper"),
        ("whisper", {"has_audio": False}, "none"),
        ("openai", {"captions": True, "whisper_model": "m", "remote_key": True}, "openai"),
    ],
)
def test_the_transcriber_is_the_best_of_what_there_is(setting, given, chosen):
    assert choose(setting, **(NOTHING | given)) == chosen


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("auto", ["captions", "VIDEO_ASSETS_WHISPER_MODEL", "OpenAI"]),
        ("captions", [".vtt or .srt"]),
        ("whisper", ["VIDEO_ASSETS_WHISPER_MODEL"]),
        ("openai", ["OpenAI API key"]),
    ],
)
def test_what_is_missing_is_said_in_one_line(setting, says):
    with pytest.raises(PermanentError) as raised:
        choose(setting, **NOTHING)
    assert all(word in str(raised.value) for word in says)
    assert "\n" not in str(raised.value)


def test_a_video_without_audio_never_fails():
    for setting, captions, embedded, model, key in product(
        ("auto", "captions", "whisper", "openai"), (True, False), (True, False), ("", "m"), (True, False)
    ):
        choose(setting, captions=captions, embedded=embedded, whisper_model=model, remote_key=key, has_audio=False)
