"""Which transcriber hears a video: a pure decision."""

from __future__ import annotations

from typing import Final

from video_assets.errors import PermanentError

CAPTIONS: Final = "captions"
EMBEDDED: Final = "embedded captions"
WHISPER: Final = "whisper"
OPENAI: Final = "openai"
NONE: Final = "none"


def choose(setting: str, *, captions: bool, embedded: bool, model_set: bool, key_set: bool, has_audio: bool) -> str:
    """The transcript's source: one of the five names above.

    `setting`: auto, captions, whisper or openai. Under `auto` captions that came along win; then a speech model that
    was set; then the remote service, if there is a key; then the default speech model, which is fetched. All of these
    are the settings' and the video's, so that the answer does not depend on what a hub or a cache has at the moment.
    A video without audio and captions gets an empty transcript. PermanentError where captions are all that is allowed.
    """
    if setting in ("auto", "captions"):
        if captions:
            return CAPTIONS
        if embedded:
            return EMBEDDED
    if not has_audio:
        return NONE
    if setting == "captions":
        raise PermanentError("the video has no captions: add a .vtt or .srt file, or set VIDEO_ASSETS_TRANSCRIBER=auto")
    if setting == "openai" or (setting == "auto" and key_set and not model_set):
        return OPENAI
    return WHISPER
