"""uploads: the verified source."""

from __future__ import annotations

from video_assets.artifacts import Artifact, digest
from video_assets.errors import PermanentError
from video_assets.media import probe
from video_assets.media import source as checked
from video_assets.recipes.base import Known, Making, Recipe, Wanted
from video_assets.settings import Settings
from video_assets.videos import Stage

SOURCE = "source"
"""What the manifest calls the uploaded object."""


def wanted(known: Known, settings: Settings) -> Wanted:
    """The upload is the root of the graph: its input is the stored object itself, which never changes."""
    return Wanted({SOURCE: digest([known.source.key, known.source.bytes])}, {}, probe.VERSION)


def make(artifact: Artifact, making: Making) -> None:
    """Probes the uploaded object; its facts are what the other stages decide by."""
    settings, source = making.systems.settings, making.source
    if source.bytes > settings.max_upload_bytes:  # before anything is fetched: it may fill the worker's disk
        raise PermanentError(f"the file has {source.bytes:,} bytes; at most {settings.max_upload_bytes:,} are taken")
    path = artifact.storage.fetch(source.key, artifact.folder)
    artifact.refer(SOURCE, source.key, path, making.record.content_type or "application/octet-stream")
    _must_be_what_it_was(artifact)
    probed = probe.probe(
        path,
        max_streams=settings.max_streams,
        max_pixels=settings.max_pixels,
        max_duration=settings.max_duration_seconds,
    )
    artifact.facts.update(probed.to_facts())
    limits = {"max_bytes": settings.max_upload_bytes, "max_duration": settings.max_duration_seconds}
    artifact.verify(checked.verify_upload(path, probed, **limits))


def _must_be_what_it_was(artifact: Artifact) -> None:
    """An uploaded object never changes. One that did is damaged, and what was made of it is better than anything that
    could be made of it now."""
    before = artifact.previous.file(SOURCE) if artifact.previous else None
    now = artifact.referred(SOURCE)
    if before is not None and before.key == now.key and before.sha256 != now.sha256:
        raise PermanentError("the uploaded file is no longer what it was when it came; upload it again")


RECIPE = Recipe(Stage.UPLOADS, (), probe.VERSION, checked.CHECKS, wanted, make)
