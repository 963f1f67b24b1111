"""variants: every rung of the ladder, poster and storyboard."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest, digest
from video_assets.defs.assets.uploads import SOURCE
from video_assets.defs.materialize import Events, Recipe, produce
from video_assets.defs.metadata import image, markdown, megabytes, table
from video_assets.defs.partitions import videos
from video_assets.defs.progress_log import seldom
from video_assets.media import encode, inspect, ladder, stills
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Progress
from video_assets.systems import Systems
from video_assets.videos import Stage

CODE_VERSION = f"{ladder.VERSION}/{stills.VERSION}"
POSTER = "poster.jpg"
TYPES = {".mp4": "video/mp4", ".m3u8": "application/vnd.apple.mpegurl", ".jpg": "image/jpeg", ".vtt": "text/vtt"}


@dg.asset(
    partitions_def=videos,
    group_name="watch",
    kinds={"ffmpeg"},
    owners=["team:video"],
    code_version=CODE_VERSION,
    # The in-process executor takes steps of equal priority by name, and transcripts sort before variants.
    op_tags={"dagster/priority": "1"},
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.VARIANTS.value, blocking=True) for name in inspect.CHECKS],
)
def variants(context: dg.AssetExecutionContext, uploads: Manifest, systems: dg.ResourceParam[Systems]) -> Events:
    """Every rung of the ladder as single-file fMP4 HLS, with playlists, poster and storyboard."""
    say = seldom(context.log.info, "encoding")
    yield from produce(context, systems, Stage.VARIANTS, lambda video_id: recipe(systems, video_id, uploads, say))


def recipe(systems: Systems, video_id: int, uploads: Manifest, say: Callable[[Progress], None] | None = None) -> Recipe:
    """Rungs and stills are parts: those made from the same before are kept, so a new rung costs that rung."""
    probe = Probe.from_facts(uploads.facts)
    plan = ladder.plan(probe, systems.settings.heights)

    def make(artifact: Artifact) -> None:
        source, parts = artifact.fetch(uploads, SOURCE), parts_of(plan, uploads.content_hash)
        kept = {name: file for name, part in parts.items() if (file := artifact.unchanged(part, name))}
        missing = [rung for rung in plan.rungs if not kept.keys() >= set(_files_of(rung))]
        with_stills = not kept.keys() >= set(stills.FILES)
        # What is left of a part of which something is lost belongs to the bytes it came with, not to those made now.
        for name in (*(name for rung in missing for name in _files_of(rung)), *(stills.FILES if with_stills else ())):
            kept.pop(name, None)
        tell = partial(_tell, artifact, say)
        encode.encode(plan, probe, source, artifact.folder, missing, on_progress=tell, with_stills=with_stills)
        if with_stills:
            stills.finish(artifact.folder, probe)
        whole = {name: artifact.storage.fetch(file.key, artifact.folder) for name, file in kept.items()}
        outcomes, rungs = inspect.variants(artifact.folder, plan, probe, whole)
        for name, part in parts.items():
            if name in kept and not (artifact.folder / name).exists():
                artifact.keep(kept[name])
            elif (artifact.folder / name).exists():  # a file without a picture has no stills
                artifact.add(artifact.folder / name, TYPES[(artifact.folder / name).suffix], part=part)
        artifact.facts.update(rungs=rungs, encoded_because=plan.encoded_because, duration=probe.duration)
        artifact.verify(outcomes)

    def describe(manifest: Manifest) -> Mapping[str, Any]:
        poster = next((file for file in manifest.files if file.name == POSTER), None)
        shown = image(systems.storage.get_bytes(poster.key), limit=64_000) if poster else None
        return {"rungs": markdown(_rung_table(manifest)), **({"poster": shown} if shown else {})}

    return Recipe({Stage.UPLOADS.value: uploads.content_hash}, plan.to_params(), CODE_VERSION, make, describe)


def parts_of(plan: ladder.Ladder, content: str) -> dict[str, str]:
    """Name of each file → the fingerprint of what it alone is made from."""
    rungs = {name: plan.part(rung, content) for rung in plan.rungs for name in _files_of(rung)}
    return rungs | {name: digest([stills.VERSION, content]) for name in stills.FILES}


def _files_of(rung: ladder.Rung) -> tuple[str, str]:
    return f"{rung.name}.mp4", f"{rung.name}.m3u8"


def _tell(artifact: Artifact, say: Callable[[Progress], None] | None, now: Progress) -> None:
    artifact.progress(now.fraction or 0.0, now.speed, now.eta_seconds)
    if say is not None:
        say(now)


def _rung_table(manifest: Manifest) -> str:
    rows = [
        (
            rung["name"],
            f"{rung['width']}x{rung['height']}",
            megabytes(rung["bytes"]),
            f"{rung['average_bandwidth'] / 1000:.0f} kbit/s",
            "copied" if rung["copied"] else "encoded",
        )
        for rung in manifest.facts["rungs"]
    ]
    return table(("rung", "size", "bytes", "average", "how"), rows)
