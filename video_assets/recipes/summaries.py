"""summaries: what a video is about, and where its subjects begin."""

from __future__ import annotations

from video_assets.artifacts import Artifact
from video_assets.recipes.base import Known, Making, Recipe, Wanted
from video_assets.recipes.transcripts import JSON as TRANSCRIPT
from video_assets.settings import Settings
from video_assets.speech.transcript import Transcript
from video_assets.systems import Systems, summary_server
from video_assets.text import verify
from video_assets.text.extractive import summarizer
from video_assets.text.llm import mapreduce
from video_assets.text.llm.asking import Asker
from video_assets.text.llm.budget import Budget, Ceiling, Prices
from video_assets.text.summary import Summary, with_own_chapters
from video_assets.videos import Stage

JSON, TEXT = "summary.json", "summary.txt"


def wanted(known: Known, settings: Settings) -> Wanted:
    """The transcript alone decides; and by which model and prompts it is summarised, where by one."""
    params: dict[str, str] = {"summarizer": settings.summarizer}
    version = summarizer.VERSION
    if settings.summarizer == "openai":
        server = summary_server(settings)
        params |= {"model": server.model, "server": server.base_url, "json": server.json_mode}
        version = mapreduce.VERSION
    return Wanted({Stage.TRANSCRIPTS.value: known.made[Stage.TRANSCRIPTS].content_hash}, params, version)


def make(artifact: Artifact, making: Making) -> None:
    """Four to six sentences, chapters with their starts, tags: as JSON and text."""
    systems = making.systems
    words = Transcript.model_validate(artifact.read_json(making.sources[Stage.TRANSCRIPTS], TRANSCRIPT))
    by_model = systems.settings.summarizer == "openai"
    summary = _by_model(systems, artifact, words) if by_model else summarizer.summarize(words)
    summary = with_own_chapters(summary, words.headings or (), words.duration_seconds)
    (artifact.folder / JSON).write_bytes((summary.model_dump_json(indent=1) + "\n").encode())
    (artifact.folder / TEXT).write_text(summary.text + "\n", encoding="utf-8")
    artifact.add(artifact.folder / JSON, "application/json")
    artifact.add(artifact.folder / TEXT, "text/plain; charset=utf-8")
    artifact.facts.update(
        summary.model_dump(mode="json", include={"text", "chapters", "tags", "quality_score", "model_info"})
    )
    artifact.verify(verify.summary_checks(summary, words, words.duration_seconds))


def _by_model(systems: Systems, artifact: Artifact, words: Transcript) -> Summary:
    settings = systems.settings
    prices = Prices(settings.summary_usd_per_million_prompt_tokens, settings.summary_usd_per_million_completion_tokens)
    budget = Budget(prices, Ceiling(settings.summary_max_usd, settings.summary_max_tokens))
    asker = Asker(systems.language_model, systems.answers, artifact.video_id, budget)
    summary = mapreduce.summarize(words, asker, at_once=settings.summary_concurrency, on_progress=artifact.progress)
    artifact.tokens, artifact.usd = budget.tokens, round(budget.usd, 6)
    return summary


RECIPE = Recipe(
    Stage.SUMMARIES,
    (Stage.TRANSCRIPTS,),
    f"{summarizer.VERSION} or {mapreduce.VERSION}",
    verify.CHECKS,
    wanted,
    make,
)
