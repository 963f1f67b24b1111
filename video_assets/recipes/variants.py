"""variants: every rung of the ladder, poster and storyboard."""

from __future__ import annotations

from functools import partial

from video_assets.artifacts import Artifact, digest
from video_assets.media import encode, inspect, ladder, stills
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Progress
from video_assets.recipes.base import Known, Making, Recipe, Wanted
from video_assets.recipes.uploads import SOURCE
from video_assets.settings import Settings
from video_assets.videos import Stage

VERSION = f"{ladder.VERSION}/{stills.VERSION}"
POSTER = "poster.jpg"
TYPES = {".mp4": "video/mp4", ".m3u8": "application/vnd.apple.mpegurl", ".jpg": "image/jpeg", ".vtt": "text/vtt"}


def wanted(known: Known, settings: Settings) -> Wanted:
    """The rungs that the ladder plans for this source."""
    upload = known.made[Stage.UPLOADS]
    plan = ladder.plan(upload.probe, settings.heights)
    return Wanted({Stage.UPLOADS.value: upload.content_hash}, plan.to_params(), VERSION)


def make(artifact: Artifact, making: Making) -> None:
    """Rungs and stills are parts: those made from the same before are kept, so a new rung costs that rung."""
    uploads = making.sources[Stage.UPLOADS]
    probe = Probe.from_facts(uploads.facts)
    plan = ladder.plan(probe, making.systems.settings.heights)
    source, parts = artifact.fetch(uploads, SOURCE), parts_of(plan, uploads.content_hash)
    kept = {name: file for name, part in parts.items() if (file := artifact.unchanged(part, name))}
    missing = [rung for rung in plan.rungs if not kept.keys() >= set(_files_of(rung))]
    with_stills = not kept.keys() >= set(stills.FILES)
    # What is left of a part of which something is lost belongs to the bytes it came with, not to those made now.
    for name in (*(name for rung in missing for name in _files_of(rung)), *(stills.FILES if with_stills else ())):
        kept.pop(name, None)
    tell = partial(_tell, artifact, making)
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


def parts_of(plan: ladder.Ladder, content: str) -> dict[str, str]:
    """Name of each file → the fingerprint of what it alone is made from."""
    rungs = {name: plan.part(rung, content) for rung in plan.rungs for name in _files_of(rung)}
    return rungs | {name: digest([stills.VERSION, content]) for name in stills.FILES}


def _files_of(rung: ladder.Rung) -> tuple[str, str]:
    return f"{rung.name}.mp4", f"{rung.name}.m3u8"


def _tell(artifact: Artifact, making: Making, now: Progress) -> None:
    artifact.progress(now.fraction or 0.0, now.speed, now.eta_seconds)
    if making.say is not None:
        making.say(now)


RECIPE = Recipe(Stage.VARIANTS, (Stage.UPLOADS,), VERSION, inspect.CHECKS, wanted, make)
