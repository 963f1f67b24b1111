"""uploads: the verified source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest, digest
from video_assets.artifacts.upload import read_upload_record
from video_assets.defs.describe import probe_table
from video_assets.defs.making import Events, Recipe, produce
from video_assets.defs.partitions import videos
from video_assets.defs.platform import Platform
from video_assets.errors import PermanentError
from video_assets.media import probe, source
from video_assets.videos import Stage

CODE_VERSION = probe.VERSION
SOURCE = "source"
"""What the manifest calls the uploaded object."""


@dg.asset(
    partitions_def=videos, group_name="intake", kinds={"ffmpeg"}, owners=["team:video"], code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.UPLOADS.value, blocking=True) for name in source.CHECKS],
)  # fmt: skip
def uploads(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Events:
    """The uploaded object, verified: what it is, how long, what can be copied instead of encoded."""
    yield from produce(context, platform, Stage.UPLOADS, lambda video_id: recipe(platform, video_id))


def recipe(platform: Platform, video_id: int) -> Recipe:
    """The upload is the root of the graph: its input is the stored object itself, which never changes."""
    record = read_upload_record(platform.storage, video_id)
    stat = platform.storage.stat(record.key)
    if stat is None:
        raise PermanentError("the uploaded file is no longer in storage; upload it again")
    settings = platform.settings
    limits: Mapping[str, Any] = {
        "max_streams": settings.max_streams,
        "max_pixels": settings.max_pixels,
        "max_duration": settings.max_duration_seconds,
    }

    def make(artifact: Artifact) -> None:
        path = platform.storage.fetch(record.key, artifact.folder)
        if stat.bytes > settings.max_upload_bytes:
            raise PermanentError(f"the file has {stat.bytes:,} bytes; at most {settings.max_upload_bytes:,} are taken")
        probed = probe.probe(path, **limits)
        artifact.refer(SOURCE, record.key, path, record.content_type or "application/octet-stream")
        artifact.facts.update(probed.to_facts())
        artifact.verify(source.verify_upload(path, probed))

    def describe(manifest: Manifest) -> Mapping[str, Any]:
        return {"title": record.title, "source": probe_table(manifest.facts)}

    return Recipe({SOURCE: digest([stat.key, stat.bytes])}, {}, CODE_VERSION, make, describe)
