"""Which transcriber hears a video: a pure decision."""

from __future__ import annotations

from video_assets.errors import PermanentError

CAPTIONS, EMBEDDED, WHISPER, OPENAI, NONE = "captions", "embedded captions", "whisper", "openai", "none"

_ADVICE = (
    "give the video captions (.vtt or .srt), set VIDEO_ASSETS_WHISPER_MODEL to a faster-whisper model, "
    "or set an OpenAI API key"
)


def choose(
    setting: str, *, captions: bool, embedded: bool, whisper_model: str, remote_key: bool, has_audio: bool
) -> str:
    """The transcript's source: one of the five names above.

    `setting`: auto, captions, whisper or openai. Captions that came along win under `auto`; a video
    without audio and captions gets an empty transcript; a PermanentError says what is missing otherwise.
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
    if setting in ("auto", "whisper") and whisper_model:
        return WHISPER
    if setting in ("auto", "openai") and remote_key:
        return OPENAI
    if setting == "whisper":
        raise PermanentError("no speech model: set VIDEO_ASSETS_WHISPER_MODEL to a model's folder or name")
    if setting == "openai":
        raise PermanentError("no key for remote transcription: set an OpenAI API key, or VIDEO_ASSETS_TRANSCRIBER=auto")
    raise PermanentError(f"nothing can transcribe this video: {_ADVICE}")
