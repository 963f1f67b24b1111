from __future__ import annotations

from typing import Any

import pytest

from video_assets.speech.transcript import Segment, Source, Transcript, Word, empty
from video_assets.speech.verify import CHECKS, repeated, transcript_checks


def failed(*segments: Segment, source: Source = "whisper", has_audio: bool = True, **info: float) -> list[str]:
    found = Transcript(segments=segments, source=source, duration_seconds=100, model_info=info)
    checks = transcript_checks(found, 100.0, has_audio)
    assert tuple(check.name for check in checks) == CHECKS
    return [check.name for check in checks if not check.passed]


def at(start: float, end: float, text: str = "words", **more: Any) -> Segment:
    return Segment(start=start, end=end, text=text, **more)


def test_a_good_transcript_passes() -> None:
    assert failed(at(0, 2, "One."), at(1, 5, "Two."), at(99, 100.3, "End.")) == []


@pytest.mark.parametrize(
    ("segments", "check"),
    [
        ([at(5, 6), at(4, 7)], "in_order"),
        ([at(5, 4)], "in_order"),
        ([at(0, 9, words=(Word(start=3, end=4, text="b"), Word(start=1, end=2, text="a")))], "in_order"),
        ([at(99, 101)], "inside_duration"),
        ([at(n, n + 1, "Thank you.") for n in range(8)], "no_stuck_repetition"),
        ([at(0, 9, "and then " * 6)], "no_stuck_repetition"),
    ],
)
def test_what_is_wrong_is_found(segments: list[Segment], check: str) -> None:
    assert failed(*segments) == [check]


def test_people_may_repeat_themselves_in_captions() -> None:
    assert failed(*(at(n, n + 1, "La la la.") for n in range(12)), source="captions") == []


@pytest.mark.parametrize("text", ["No, no, no, no!", "Very, very good.", "1 000 000 000", "Ha ha ha ha."])
def test_emphasis_is_no_loop(text: str) -> None:
    assert repeated((at(0, 1, text),) * 3) is None


def test_a_video_without_audio_passes_with_a_note() -> None:
    checks = transcript_checks(empty(5), 5.0, has_audio=False)
    assert all(check.passed for check in checks)
    assert "no audio" in checks[-1].summary


def test_voices_without_a_word_are_told() -> None:
    assert failed(voice_seconds=40.0) == ["speech_found"]
    assert failed(voice_seconds=2.0) == []


@pytest.mark.parametrize(("refused", "passes"), [([], True), ([[10, 15]], True), ([[10, 15], [20, 26]], False)])
def test_a_tenth_of_the_speech_may_be_refused_but_no_more(refused: list[list[int]], passes: bool) -> None:
    found = Transcript(
        segments=(at(0, 2, "One."),),
        source="whisper",
        duration_seconds=100,
        model_info={"voice_seconds": 100.0, "refused": refused},
    )
    check = transcript_checks(found, 100.0, True)[2]
    assert (check.name, check.passed) == ("no_stuck_repetition", passes)
    assert check.metadata["refused_seconds"] == sum(end - start for start, end in refused)
