"""The checks of a transcript, before it is published."""

from __future__ import annotations

import re

from video_assets.artifacts import CheckOutcome
from video_assets.speech.transcript import Segment, Transcript

CHECKS = ("in_order", "inside_duration", "no_stuck_repetition", "speech_found")

TOLERANCE = 0.5
"""Seconds by which a transcript may be longer than its video: containers round durations."""
STUCK_SEGMENTS = 8
STUCK_PHRASE = 6
"""So many repeats in a row mean a recogniser that is stuck, not a person: of whole segments, of a phrase within one."""

REFUSED_SHARE = 0.1
"""The largest share of the speech that may be left out because the recogniser only repeated itself there."""

_BETTER = "give the video captions, or set a better model (VIDEO_ASSETS_WHISPER_MODEL)"
_PHRASE = re.compile(rf"(?<!\w)(\w[\w' ,.!?-]{{0,80}}?\W)\1{{{STUCK_PHRASE - 1},}}", re.IGNORECASE)
_LONGEST_SCANNED = 5_000
MISSED_SPEECH = 10.0
"""If the voice detector finds more seconds of voice than this, there must be at least one word."""


def transcript_checks(transcript: Transcript, duration: float, has_audio: bool) -> list[CheckOutcome]:
    """The checks `in_order`, `inside_duration`, `no_stuck_repetition`, `speech_found`. `duration`: seconds."""
    return [
        _in_order(transcript.segments),
        _inside(transcript.segments, duration),
        _not_stuck(transcript),
        _speech_found(transcript, has_audio),
    ]


def repeated(segments: tuple[Segment, ...]) -> str | None:
    """The text that is repeated in a row, as by a recogniser in a loop; None if there is none."""
    run, last = 1, None
    for segment in segments:
        plain = " ".join(re.findall(r"\w+", segment.text.lower()))
        run = run + 1 if plain and plain == last else 1
        last = plain
        if run >= STUCK_SEGMENTS:
            return segment.text
        if phrase := _PHRASE.search(segment.text[:_LONGEST_SCANNED] + " "):
            return phrase[1].strip()
    return None


def _in_order(segments: tuple[Segment, ...]) -> CheckOutcome:
    reached = 0.0
    for number, segment in enumerate(segments, 1):
        words = segment.words or ()
        starts = [word.start for word in words]
        if segment.start < reached or segment.end < segment.start or starts != sorted(starts):
            summary = f"segment {number} of {len(segments)} is out of order at {segment.start:.2f} s"
            return CheckOutcome(name="in_order", passed=False, summary=summary)
        reached = segment.start
    return CheckOutcome(name="in_order", passed=True, summary=f"{len(segments)} segments in order")


def _inside(segments: tuple[Segment, ...], duration: float) -> CheckOutcome:
    end = max((segment.end for segment in segments), default=0.0)
    return CheckOutcome(
        name="inside_duration",
        passed=end <= duration + TOLERANCE,
        summary=f"last words end at {end:.2f} s of {duration:.2f} s",
        metadata={"end": end, "duration": duration},
    )


def _not_stuck(transcript: Transcript) -> CheckOutcome:
    stuck = repeated(transcript.segments) if transcript.source in ("whisper", "openai") else None
    refused = sum(end - start for start, end in transcript.model_info.get("refused", ()))
    heard = transcript.model_info.get("voice_seconds", 0.0)
    if stuck is not None:
        summary = f"the recogniser repeats itself ({stuck[:60]}); {_BETTER}"
    elif refused > REFUSED_SHARE * heard:
        summary = f"the recogniser only repeats itself in {refused:.0f} of {heard:.0f} s of speech; {_BETTER}"
    elif refused:
        summary = f"{refused:.0f} of {heard:.0f} s of speech left out, where the recogniser only repeats itself"
    else:
        summary = "no stuck repetition"
    passed = stuck is None and refused <= REFUSED_SHARE * heard
    metadata = {"refused_seconds": round(refused, 1)}
    return CheckOutcome(name="no_stuck_repetition", passed=passed, summary=summary, metadata=metadata)


def _speech_found(transcript: Transcript, has_audio: bool) -> CheckOutcome:
    words = sum(len(segment.text.split()) for segment in transcript.segments)
    heard = transcript.model_info.get("voice_seconds")
    missing = not words and isinstance(heard, int | float) and heard > MISSED_SPEECH
    if words:
        summary = f"{words} words in {transcript.speech_seconds:.1f} s of speech"
    elif missing:
        summary = f"voices can be heard for {heard:.1f} s, but no word was understood"
    else:
        summary = "no speech in the audio" if has_audio else "no audio, so no speech to find"
    return CheckOutcome(name="speech_found", passed=not missing, summary=summary, metadata={"words": words})
