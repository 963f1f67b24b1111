"""uploads: the verified source."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest, digest
from video_assets.artifacts.upload import read_upload_record
from video_assets.defs.materialize import Events, Recipe, produce
from video_assets.defs.metadata import clock, markdown, megabytes, pairs
from video_assets.defs.partitions import videos
from video_assets.errors import PermanentError
from video_assets.media import probe, source
from video_assets.media.probe import Probe
from video_assets.systems import Systems
from video_assets.videos import Stage

CODE_VERSION = probe.VERSION
SOURCE = "source"
"""What the manifest calls the uploaded object."""


@dg.asset(
    partitions_def=videos,
    group_name="intake",
    kinds={"ffmpeg"},
    owners=["team:video"],
    code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.UPLOADS.value, blocking=True) for name in source.CHECKS],
)
def uploads(context: dg.AssetExecutionContext, systems: dg.ResourceParam[Systems]) -> Events:
    """The uploaded object, verified: what it is, how long, what can be copied instead of encoded."""
    yield from produce(context, systems, Stage.UPLOADS, lambda video_id: recipe(systems, video_id))


def recipe(systems: Systems, video_id: int) -> Recipe:
    """The upload is the root of the graph: its input is the stored object itself, which never changes."""
    record = read_upload_record(systems.storage, video_id)
    stat = systems.storage.stat(record.key)
    if stat is None:
        raise PermanentError("the uploaded file is no longer in storage; upload it again")
    settings = systems.settings
    limits: Mapping[str, Any] = {
        "max_streams": settings.max_streams,
        "max_pixels": settings.max_pixels,
        "max_duration": settings.max_duration_seconds,
    }

    def make(artifact: Artifact) -> None:
        path = systems.storage.fetch(record.key, artifact.folder)
        if stat.bytes > settings.max_upload_bytes:
            raise PermanentError(f"the file has {stat.bytes:,} bytes; at most {settings.max_upload_bytes:,} are taken")
        artifact.refer(SOURCE, record.key, path, record.content_type or "application/octet-stream")
        _must_be_what_it_was(artifact)
        probed = probe.probe(path, **limits)
        artifact.facts.update(probed.to_facts())
        artifact.verify(source.verify_upload(path, probed))

    def describe(manifest: Manifest) -> Mapping[str, Any]:
        return {"title": record.title, "source": markdown(pairs(_source_facts(manifest)))}

    return Recipe({SOURCE: digest([stat.key, stat.bytes])}, {}, CODE_VERSION, make, describe)


def _must_be_what_it_was(artifact: Artifact) -> None:
    """An uploaded object never changes. One that did is damaged, and what was made of it is better than anything that
    could be made of it now."""
    before = artifact.previous.file(SOURCE) if artifact.previous else None
    now = artifact.referred(SOURCE)
    if before is not None and before.key == now.key and before.sha256 != now.sha256:
        raise PermanentError("the uploaded file is no longer what it was when it came; upload it again")


def _source_facts(manifest: Manifest) -> dict[str, Any]:
    probed = Probe.from_facts(manifest.facts)
    video, sound = probed.video, probed.sound
    return {
        "container": probed.container.split(",")[0],
        "length": clock(probed.duration),
        "size": megabytes(probed.size),
        "picture": f"{video.codec} {video.width}x{video.height}, {video.avg_fps:.2f} fps" if video else "none",
        "sound": f"{sound.codec}, {sound.channels} channels, {sound.rate} Hz" if sound else "none",
        "text tracks": len(probed.subtitles),
        "plays as it is": "yes" if probed.playable_progressively else "no",
    }
