"""search_documents: what was put into the search index, and under which version."""

from __future__ import annotations

from pydantic import TypeAdapter

from video_assets.artifacts import Artifact
from video_assets.artifacts.upload import UploadRecord
from video_assets.recipes.base import Known, Making, Recipe, Wanted
from video_assets.recipes.summaries import JSON as SUMMARY
from video_assets.recipes.transcripts import JSON as TRANSCRIPT
from video_assets.search import documents, verify
from video_assets.search.base import Document
from video_assets.settings import Settings
from video_assets.speech.transcript import Transcript
from video_assets.text.sentences import sentences
from video_assets.text.summary import Summary
from video_assets.videos import Stage

JSON = "document.json"
DOCUMENTS = TypeAdapter(Document)


def wanted(known: Known, settings: Settings) -> Wanted:
    """The words decide, and what the uploader said of the video."""
    inputs = {
        Stage.SUMMARIES.value: known.made[Stage.SUMMARIES].content_hash,
        Stage.TRANSCRIPTS.value: known.made[Stage.TRANSCRIPTS].content_hash,
    }
    return Wanted(inputs, {"title": known.title, "description": known.description}, documents.VERSION)


def make(artifact: Artifact, making: Making) -> None:
    """Builds the document, stores it, and puts it into the index."""
    search = making.systems.search
    words = Transcript.model_validate(artifact.read_json(making.sources[Stage.TRANSCRIPTS], TRANSCRIPT))
    summary = Summary.model_validate(artifact.read_json(making.sources[Stage.SUMMARIES], SUMMARY))
    document = build(making.record, words, summary)
    (artifact.folder / JSON).write_bytes(DOCUMENTS.dump_json(document, indent=1))
    artifact.add(artifact.folder / JSON, "application/json")
    # The index takes the fence as version, so that an older run never overwrites a newer one's documents.
    search.put(document, version=artifact.run.fence)
    passages = [{"start": each.start, "end": each.end, "text": each.text[:80]} for each in document.passages[:5]]
    artifact.facts.update(index_version=artifact.run.fence, passages=len(document.passages), first=passages)
    artifact.verify(verify.search_checks(search, document, artifact.run.fence))


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


RECIPE = Recipe(
    Stage.SEARCH_DOCUMENTS, (Stage.SUMMARIES, Stage.TRANSCRIPTS), documents.VERSION, verify.CHECKS, wanted, make
)
