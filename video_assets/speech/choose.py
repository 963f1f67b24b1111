"""Decides where a video's transcript comes from. Pure."""

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

    `setting`: auto, captions, whisper or openai. `auto` takes captions that came with the video; else a speech model if
    one is set; else the remote service if there is a key; else the default speech model, which is downloaded. Only the
    settings and the video decide, so the answer does not depend on what a hub or a cache holds at the moment. A video
    without audio and captions gets an empty transcript. Raises PermanentError if only captions are allowed and there
    are none.
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
