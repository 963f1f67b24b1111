"""The checks of a summary, before it is published."""

from __future__ import annotations

from video_assets.artifacts import CheckOutcome
from video_assets.text.extractive.summarizer import MOST_SENTENCES, distinct
from video_assets.text.extractive.terms import words
from video_assets.text.grounding.support import Evidence
from video_assets.text.llm.prompt_injection import quarantined
from video_assets.text.sentences import sentences, speech
from video_assets.text.spoken import Spoken
from video_assets.text.summary import Summary

CHECKS = ("sentence_count", "grounded", "chapters_inside")

LEAST_SENTENCES = 4
TOLERANCE = 0.5
"""Seconds by which chapters may be longer than the video: containers round durations."""


def summary_checks(summary: Summary, transcript: Spoken, duration: float) -> list[CheckOutcome]:
    """The checks `sentence_count`, `grounded` and `chapters_inside`. `duration`: seconds of the video."""
    return [_sentence_count(summary, transcript), _grounded(summary, transcript), _chapters_inside(summary, duration)]


def ungrounded(summary: Summary, transcript: Spoken) -> list[str]:
    """The sentences of the summary that are not in the transcript. An extractive summary's must be in it word for word;
    those of a language model must be supported by it (`grounding`)."""
    if summary.model_info.get("summarizer") != "extractive":
        return _unsupported(summary, transcript)
    said = [word for segment in speech(transcript.segments) for word in words(segment.text)]
    text = f" {' '.join(said)} "
    return [each.text for each in summary.sentences if f" {' '.join(words(each.text))} " not in text]


def _unsupported(summary: Summary, transcript: Spoken) -> list[str]:
    texts = [sentence.text for sentence in sentences(transcript)]
    evidence = Evidence(texts, transcript.language, quarantined(texts))
    cited = summary.model_info.get("evidence") or [()] * len(summary.sentences)
    judged = zip(summary.sentences, cited, strict=True)
    return [each.text for each, at in judged if not evidence.support(each.text, at).grounded]


def _sentence_count(summary: Summary, transcript: Spoken) -> CheckOutcome:
    available = len(distinct([sentence.text for sentence in sentences(transcript)]))
    least, count = min(LEAST_SENTENCES, available), len(summary.sentences)
    return CheckOutcome(
        name="sentence_count",
        passed=least <= count <= MOST_SENTENCES and bool(summary.text) == bool(count),
        summary=f"{count} sentences of {available}",
        metadata={"sentences": count, "available": available},
    )


def _grounded(summary: Summary, transcript: Spoken) -> CheckOutcome:
    invented = ungrounded(summary, transcript)
    found = f"not in the transcript: {invented[0][:80]}" if invented else "every sentence is in the transcript"
    return CheckOutcome(name="grounded", passed=not invented, summary=found)


def _chapters_inside(summary: Summary, duration: float) -> CheckOutcome:
    reached = 0.0
    for chapter in summary.chapters:
        if not reached <= chapter.start <= chapter.end <= duration + TOLERANCE:
            found = f"chapter “{chapter.title[:40]}” at {chapter.start:.2f} to {chapter.end:.2f} s of {duration:.2f} s"
            return CheckOutcome(name="chapters_inside", passed=False, summary=found)
        reached = chapter.end
    return CheckOutcome(
        name="chapters_inside", passed=True, summary=f"{len(summary.chapters)} chapters inside {duration:.2f} s"
    )
