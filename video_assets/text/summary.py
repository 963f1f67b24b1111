"""The summary as a record, independent of how it was made, and its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda value: round(value, 3))]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SummarySentence(_Record):
    """One sentence of the summary, and the second at which the video says it."""

    text: str
    start: Seconds


class Chapter(_Record):
    """A part of the video about one subject. Times in seconds."""

    start: Seconds
    end: Seconds
    title: str


class Summary(_Record):
    """A video in a few sentences, its chapters and tags."""

    text: str = ""
    sentences: tuple[SummarySentence, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    tags: tuple[str, ...] = ()
    quality_score: float | None = None
    """0 to 1: the share of the transcript's meaningful words (each weighted by how often it is said) that the summary
    mentions, times the mean grounding score of its sentences (1 for the transcript's own). It measures coverage and
    closeness: neither whether the summary reads well nor whether the talk itself is right. None where nothing was said.
    `docs/summaries.md` has more."""
    model_info: dict[str, Any] = Field(default_factory=dict)


class Heading(Protocol):
    """A chapter embedded in a media file. Times in seconds. Headings may be in any order, and may lack a title."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def title(self) -> str: ...


def with_own_chapters(summary: Summary, headings: Iterable[Heading], duration: float) -> Summary:
    """The summary with the chapters embedded in the media file, which its author chose, instead of those found here.

    `duration`: seconds of the video. Chapters are sorted, each ends at the latest where the next begins, and those
    beyond the video's end are left out. If fewer than two are left, the summary is returned unchanged.
    """
    rising = sorted((each for each in headings if 0 <= each.start < duration), key=lambda each: each.start)
    own = list({round(each.start, 3): each for each in reversed(rising)}.values())[::-1]
    if len(own) < 2:
        return summary
    nexts = [*(each.start for each in own[1:]), duration]
    chapters = tuple(
        Chapter(start=each.start, end=min(max(each.end, each.start), following), title=each.title or f"Part {number}")
        for number, (each, following) in enumerate(zip(own, nexts, strict=True), 1)
    )
    info = {**summary.model_info, "chapters_from": "the file"}
    return summary.model_copy(update={"chapters": chapters, "model_info": info})


def chapters_to_vtt(chapters: tuple[Chapter, ...]) -> str:
    """The chapters as WebVTT, for a player's `<track kind="chapters">`."""
    blocks = ["WEBVTT\n"]
    for chapter in chapters:
        title = chapter.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        end = max(chapter.end, chapter.start + 0.001)
        blocks.append(f"{_timestamp(chapter.start)} --> {_timestamp(end)}\n{title}\n")
    return "\n".join(blocks)


def _timestamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02d}:{milliseconds // 60_000 % 60:02d}"
        f":{milliseconds // 1000 % 60:02d}.{milliseconds % 1000:03d}"
    )
