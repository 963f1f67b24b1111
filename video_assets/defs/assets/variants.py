"""variants: every rung of the ladder, poster and storyboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest, digest
from video_assets.defs.assets.uploads import SOURCE
from video_assets.defs.describe import poster, rung_table
from video_assets.defs.making import Events, Recipe, produce
from video_assets.defs.partitions import videos
from video_assets.defs.platform import Platform
from video_assets.media import encode, inspect, ladder, stills
from video_assets.media.probe import Probe
from video_assets.videos import Stage

CODE_VERSION = ladder.VERSION


@dg.asset(
    partitions_def=videos, group_name="watch", kinds={"ffmpeg"}, owners=["team:video"], code_version=CODE_VERSION,
    # The in-process executor takes steps of equal priority by name, and transcripts sort before variants.
    op_tags={"dagster/priority": "1"},
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.VARIANTS.value, blocking=True) for name in inspect.CHECKS],
)  # fmt: skip
def variants(
    context: dg.AssetExecutionContext, uploads: Manifest, platform: dg.ResourceParam[Platform]
) -> Events:
    """Every rung of the ladder as single-file fMP4 HLS, with playlists, poster and storyboard."""
    yield from produce(context, platform, Stage.VARIANTS, lambda video_id: recipe(platform, video_id, uploads))


def recipe(platform: Platform, video_id: int, uploads: Manifest) -> Recipe:
    """Rungs and stills are parts: those made from the same before are kept, so a new rung costs that rung."""
    probed = Probe.from_facts(uploads.facts)
    plan = ladder.plan(probed, platform.settings.heights)

    def make(artifact: Artifact) -> None:
        source = artifact.fetch(uploads, SOURCE)
        content = uploads.content_hash
        outputs = {
            name: part
            for rung in plan.rungs
            for name, part in ((f"{rung.name}.mp4", plan.part(rung, content)), (f"{rung.name}.m3u8", plan.part(rung, content)))
        }
        outputs |= {name: digest([stills.VERSION, content]) for name in stills.FILES}

    return Recipe({Stage.UPLOADS.value: uploads.content_hash}, plan.to_params(), CODE_VERSION, make, _describe)


def _describe(manifest: Manifest) -> Mapping[str, Any]:
    return {"rungs": rung_table(manifest.facts), "poster": poster(manifest)}
