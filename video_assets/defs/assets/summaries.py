"""summaries: what a video is about, and where its subjects begin."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest
from video_assets.defs.assets.transcripts import JSON as TRANSCRIPT
from video_assets.defs.materialize import Events, Recipe, produce
from video_assets.defs.metadata import clock, markdown, plain, table
from video_assets.defs.partitions import videos
from video_assets.speech.transcript import Transcript
from video_assets.systems import Systems
from video_assets.text import verify
from video_assets.text.extractive import summarizer
from video_assets.text.llm import mapreduce
from video_assets.text.llm.asking import Asker
from video_assets.text.llm.budget import Budget, Ceiling, Prices
from video_assets.text.summary import Summary, with_own_chapters
from video_assets.videos import Stage

# What Dagster shows; a recipe carries the version of the one that is in use.
CODE_VERSION = f"{summarizer.VERSION} or {mapreduce.VERSION}"
JSON, TEXT = "summary.json", "summary.txt"


@dg.asset(
    partitions_def=videos,
    group_name="words",
    kinds={"python"},
    owners=["team:words"],
    code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.SUMMARIES.value, blocking=True) for name in verify.CHECKS],
)
def summaries(context: dg.AssetExecutionContext, transcripts: Manifest, systems: dg.ResourceParam[Systems]) -> Events:
    """Four to six sentences, chapters with their starts, tags."""
    yield from produce(context, systems, Stage.SUMMARIES, lambda video_id: recipe(systems, video_id, transcripts))


def recipe(systems: Systems, video_id: int, transcripts: Manifest) -> Recipe:
    """Made from the transcript alone; by which model and prompts, where by one."""
    settings = systems.settings
    by_model = settings.summarizer == "openai"

    def make(artifact: Artifact) -> None:
        words = Transcript.model_validate(artifact.read_json(transcripts, TRANSCRIPT))
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

    params: dict[str, str] = {"summarizer": settings.summarizer}
    if by_model:
        server = systems.summary_server
        params |= {"model": server.model, "server": server.base_url, "json": server.json_mode}
    version = mapreduce.VERSION if by_model else summarizer.VERSION
    return Recipe({Stage.TRANSCRIPTS.value: transcripts.content_hash}, params, version, make, _describe)


def _by_model(systems: Systems, artifact: Artifact, words: Transcript) -> Summary:
    settings = systems.settings
    prices = Prices(settings.summary_usd_per_million_prompt_tokens, settings.summary_usd_per_million_completion_tokens)
    budget = Budget(prices, Ceiling(settings.summary_max_usd, settings.summary_max_tokens))
    asker = Asker(systems.language_model, systems.answers, artifact.video_id, budget)
    summary = mapreduce.summarize(words, asker, at_once=settings.summary_concurrency, on_progress=artifact.progress)
    artifact.tokens, artifact.usd = budget.tokens, round(budget.usd, 6)
    return summary


def _describe(manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    chapters = table(("starts", "chapter"), ((clock(each["start"]), each["title"]) for each in facts["chapters"]))
    return {
        "summary": markdown(plain(facts["text"], 1200) or "(no speech)"),
        "chapters": markdown(chapters),
        "tags": ", ".join(facts["tags"]),
    }
