"""A manifest as the event that tells of it, whether an event log or a pointer named the manifest."""

from __future__ import annotations

from video_assets.artifacts import Manifest, Pointer
from video_assets.artifacts.audit import whole
from video_assets.projection.events import ArtifactResult, Made, SummaryResult, TranscriptResult, VariantsResult
from video_assets.recipes import DECIDING, summaries, transcripts
from video_assets.storage import Storage
from video_assets.videos import Stage

_TOLD = ("source", "language", "speech_seconds")
"""Facts of a transcript that its table keeps beside the model's own."""


def made_from_manifest(
    manifest: Manifest, storage: Storage, *, reused: bool = False, pointer: Pointer | None = None
) -> Made:
    """The projection's event for a manifest, whether an event told of it or the pointer did."""
    return Made(
        video_id=manifest.video_id,
        artefact=manifest.artefact,
        run_id=manifest.run_id,
        fence=manifest.fence,
        fingerprint=manifest.fingerprint,
        content_hash=manifest.content_hash,
        manifest_key=manifest.key,
        made_at=manifest.made_at,
        reused=reused,
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
            model_info={**facts["model_info"], **{name: facts[name] for name in _TOLD}},
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
