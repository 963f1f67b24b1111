"""The check `looks_like_its_source`: VMAF of some moments of a few videos."""

import random
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from video_assets.artifacts import Manifest, current
from video_assets.defs.checks.standing import standing_check
from video_assets.defs.metadata import markdown, table
from video_assets.errors import PermanentError
from video_assets.library import queries
from video_assets.media import hls, ladder, quality
from video_assets.media.probe import Probe
from video_assets.recipes.uploads import SOURCE
from video_assets.storage import NotFound
from video_assets.systems import Systems
from video_assets.videos import Stage

SAMPLE = 3
"""The number of videos per audit, one rung of each. A video takes some seconds of decoding."""
LEAST = 60.0
"""A VMAF below this means that the encoding went wrong; a merely low bit rate stays above it."""


@standing_check(Stage.VARIANTS, "looks_like_its_source", "Encoded rungs look like their sources, by VMAF of a sample.")
def looks_like_its_source(systems: Systems) -> dg.AssetCheckResult:
    """One encoded rung of each sampled video, at two moments; copies and tone-mapped pictures are left out."""
    with systems.database.read() as session:
        chosen = queries.sample_of_ledger(session, Stage.VARIANTS, SAMPLE)
    rows: list[tuple[int, str, str]] = []
    worst = 100.0
    for video_id in chosen:
        try:
            uploaded, made = (current(systems.storage, video_id, stage) for stage in (Stage.UPLOADS, Stage.VARIANTS))
        except PermanentError:  # `files_whole` reports it
            continue
        if uploaded is None or made is None:
            continue
        try:
            found = score(systems, uploaded, made)
        except (PermanentError, NotFound) as error:
            worst = 0.0
            rows.append((video_id, "", str(error)))
            continue
        if found is not None:
            worst = min(worst, found[1])
            rows.append((video_id, found[0], f"{found[1]:.1f}"))
    metadata: dict[str, Any] = {"compared": len(rows), "VMAF": markdown(table(("video", "rung", "VMAF"), rows))}
    return dg.AssetCheckResult(passed=worst >= LEAST, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def score(systems: Systems, uploaded: Manifest, made: Manifest) -> tuple[str, float] | None:
    """The name of a rung chosen at random, and the lowest VMAF of its moments; None where no rung can be compared."""
    probe = Probe.from_facts(uploaded.facts)
    plan = ladder.plan(probe, systems.settings.heights)
    names = {file.name for file in made.files}
    rungs = [r for r in plan.rungs if f"{r.name}.mp4" in names and quality.comparable(plan, probe, r)]
    if not rungs:
        return None
    rung = random.choice(rungs)
    playlist = hls.read(systems.storage.get_bytes(made.file(f"{rung.name}.m3u8").key).decode())
    with tempfile.TemporaryDirectory(prefix="video-assets-audit-") as name:
        folder = Path(name)
        source = systems.storage.fetch(uploaded.file(SOURCE).key, folder)
        path = systems.storage.fetch(made.file(f"{rung.name}.mp4").key, folder)
        moments = quality.moments(playlist.starts, rung.fps)
        return rung.name, min(quality.vmaf(source, probe, path, rung, folder, at=at) for at in moments)
