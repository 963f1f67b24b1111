"""Makes the projection's event from a manifest, which the event log or a pointer named."""

from __future__ import annotations

from video_assets.artifacts import Manifest, Pointer
from video_assets.artifacts.audit import whole
from video_assets.projection.events import ArtifactResult, Made, SummaryResult, TranscriptResult, VariantsResult
from video_assets.recipes import DECIDING, summaries, transcripts
from video_assets.storage import Storage
from video_assets.videos import Stage

_KEPT_FACTS = ("source", "language", "speech_seconds")
"""Facts of a transcript that `model_info` in its table keeps beside the model's own."""


def made_from_manifest(manifest: Manifest, storage: Storage, *, pointer: Pointer | None = None) -> Made:
    """The event for a manifest. `pointer`: the pointer that named it, which knows when the artifact was first made.
    Reads the transcript's text from storage; NotFound or PermanentError where that fails."""
    return Made(
        video_id=manifest.video_id,
        stage=manifest.artefact,
        run_id=manifest.run_id,
        fence=manifest.fence,
        fingerprint=manifest.fingerprint,
        content_hash=manifest.content_hash,
        manifest_key=manifest.key,
        made_at=manifest.made_at,
        bytes=manifest.bytes,
        cost=manifest.cost.model_dump(),
        code_version=manifest.code_version,
        inputs=manifest.inputs,
        params=manifest.params,
        facts=manifest.facts if manifest.artefact in DECIDING else {},
        result=_result(manifest, storage),
        first_made_at=pointer.first_made_at if pointer else None,
        first_fence=pointer.first_fence if pointer else "",
    )


def _result(manifest: Manifest, storage: Storage) -> ArtifactResult | None:
    facts = manifest.facts
    if manifest.artefact is Stage.VARIANTS:
        rungs = [rung["name"] for rung in facts["rungs"]]
        files = [manifest.file(f"{name}.mp4") for name in rungs]
        return VariantsResult(tuple((name, file.key, file.bytes) for name, file in zip(rungs, files, strict=True)))
    if manifest.artefact is Stage.TRANSCRIPTS:
        text = whole(storage, manifest.file(transcripts.TEXT)).decode()
        return TranscriptResult(
            text=text,
            path=manifest.file(transcripts.JSON).key,
            duration_seconds=facts["duration_seconds"],
            model_info={**facts["model_info"], **{name: facts[name] for name in _KEPT_FACTS}},
            segments=facts["segments"],
        )
    if manifest.artefact is Stage.SUMMARIES:
        return SummaryResult(
            text=facts["text"],
            path=manifest.file(summaries.JSON).key,
            model_info={**facts["model_info"], "chapters": facts["chapters"], "tags": facts["tags"]},
            quality_score=facts["quality_score"],
        )
    return None
