"""summaries: what a video is about, and where its subjects begin."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest
from video_assets.defs.assets.transcripts import JSON as TRANSCRIPT
from video_assets.defs.describe import clock, markdown, plain, table
from video_assets.defs.making import Events, Recipe, produce
from video_assets.defs.partitions import videos
from video_assets.defs.platform import Platform
from video_assets.errors import PermanentError
from video_assets.speech.transcript import Transcript
from video_assets.text import extractive, verify
from video_assets.videos import Stage

CODE_VERSION = extractive.VERSION
JSON, TEXT = "summary.json", "summary.txt"


@dg.asset(
    partitions_def=videos, group_name="words", kinds={"python"}, owners=["team:words"], code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.SUMMARIES.value, blocking=True) for name in verify.CHECKS],
)  # fmt: skip
def summaries(context: dg.AssetExecutionContext, transcripts: Manifest, platform: dg.ResourceParam[Platform]) -> Events:
    """Four to six sentences, chapters with their starts, tags."""
    yield from produce(context, platform, Stage.SUMMARIES, lambda video_id: recipe(platform, video_id, transcripts))


def recipe(platform: Platform, video_id: int, transcripts: Manifest) -> Recipe:
    """Made from the transcript alone."""
    if platform.settings.summarizer != "extractive":
        raise PermanentError("VIDEO_ASSETS_SUMMARIZER: this release has the extractive summarizer only; unset it")

    def make(artifact: Artifact) -> None:
        words = Transcript.model_validate(artifact.read_json(transcripts, TRANSCRIPT))
        summary = extractive.summarize(words)
        (artifact.folder / JSON).write_bytes((summary.model_dump_json(indent=1) + "\n").encode())
        (artifact.folder / TEXT).write_text(summary.text + "\n", encoding="utf-8")
        artifact.add(artifact.folder / JSON, "application/json")
        artifact.add(artifact.folder / TEXT, "text/plain; charset=utf-8")
        artifact.facts.update(
            summary.model_dump(mode="json", include={"text", "chapters", "tags", "quality_score", "model_info"})
        )
        artifact.verify(verify.summary_checks(summary, words, words.duration_seconds))

    params = {"summarizer": platform.settings.summarizer}
    return Recipe({Stage.TRANSCRIPTS.value: transcripts.content_hash}, params, CODE_VERSION, make, _describe)


def _describe(manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    chapters = table(("starts", "chapter"), ((clock(each["start"]), each["title"]) for each in facts["chapters"]))
    return {
        "summary": markdown(plain(facts["text"], 1200) or "(no speech)"),
        "chapters": markdown(chapters),
        "tags": ", ".join(facts["tags"]),
    }
