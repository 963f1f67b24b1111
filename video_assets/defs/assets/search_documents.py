"""search_documents: what was put into the search index, and under which version."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import TypeAdapter

from video_assets.artifacts import Artifact, Manifest
from video_assets.artifacts.upload import UploadRecord, read_upload_record
from video_assets.defs.assets.summaries import JSON as SUMMARY
from video_assets.defs.assets.transcripts import JSON as TRANSCRIPT
from video_assets.defs.materialize import Events, Recipe, produce
from video_assets.defs.metadata import clock, markdown, table
from video_assets.defs.partitions import videos
from video_assets.search import documents, verify
from video_assets.search.base import Document
from video_assets.speech.transcript import Transcript
from video_assets.systems import Systems
from video_assets.text import sentences
from video_assets.text.summary import Summary
from video_assets.videos import Stage

CODE_VERSION = documents.VERSION
JSON = "document.json"
DOCUMENTS = TypeAdapter(Document)


@dg.asset(
    partitions_def=videos,
    group_name="search",
    kinds={"sqlite"},
    owners=["team:words"],
    code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.SEARCH_DOCUMENTS.value, blocking=True) for name in verify.CHECKS],
)
def search_documents(
    context: dg.AssetExecutionContext, summaries: Manifest, transcripts: Manifest, systems: dg.ResourceParam[Systems]
) -> Events:
    """One document a video and one a passage of about 30 seconds, in the index."""
    stage = Stage.SEARCH_DOCUMENTS
    yield from produce(context, systems, stage, lambda video_id: recipe(systems, video_id, summaries, transcripts))


def recipe(systems: Systems, video_id: int, summaries: Manifest, transcripts: Manifest) -> Recipe:
    """Made from the words and from what the uploader said of the video."""
    record = read_upload_record(systems.storage, video_id)

    def make(artifact: Artifact) -> None:
        words = Transcript.model_validate(artifact.read_json(transcripts, TRANSCRIPT))
        summary = Summary.model_validate(artifact.read_json(summaries, SUMMARY))
        document = build(record, words, summary)
        (artifact.folder / JSON).write_bytes(DOCUMENTS.dump_json(document, indent=1))
        artifact.add(artifact.folder / JSON, "application/json")
        # The index takes the fence as version, so that an older run never overwrites a newer one's documents.
        systems.search.put(document, version=artifact.run.fence)
        passages = [{"start": each.start, "end": each.end, "text": each.text[:80]} for each in document.passages[:5]]
        artifact.facts.update(index_version=artifact.run.fence, passages=len(document.passages), first=passages)
        artifact.verify(verify.search_checks(systems.search, document, artifact.run.fence))

    inputs = {Stage.SUMMARIES.value: summaries.content_hash, Stage.TRANSCRIPTS.value: transcripts.content_hash}
    return Recipe(inputs, {"title": record.title, "description": record.description}, CODE_VERSION, make, _describe)


def build(record: UploadRecord, words: Transcript, summary: Summary) -> Document:
    """The search document of a video, out of what other packages know."""
    timed = [word for segment in words.segments for word in segment.words or ()]
    return Document(
        video_id=record.video_id,
        title=record.title,
        description=record.description,
        summary=summary.text,
        tags=summary.tags,
        language=words.language,
        duration=words.duration_seconds,
        user_id=record.user_id,
        created_at=record.created_at,
        passages=documents.passages(sentences(words), words=timed),
        chapters=tuple((chapter.start, chapter.title) for chapter in summary.chapters),
    )


def _describe(manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    first = table(("starts", "passage"), ((clock(each["start"]), each["text"]) for each in facts["first"]))
    return {"passages": facts["passages"], "first passages": markdown(first)}
