"""The check `files_whole`: reads every byte of every artifact of a sample of videos, and compares the hashes."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from video_assets.artifacts import current
from video_assets.artifacts.audit import ALTERED, damaged_files
from video_assets.defs.checks.standing import standing_check
from video_assets.defs.metadata import markdown, table
from video_assets.errors import PermanentError, one_line
from video_assets.library import queries
from video_assets.systems import Systems
from video_assets.videos import Stage

SAMPLE = 100
"""The number of videos per audit, chosen at random, so that over many audits every video is examined."""


def _files_check(stage: Stage) -> dg.AssetChecksDefinition:
    @standing_check(stage, "files_whole", "Files there and unaltered, of a random sample.")
    def files_whole(systems: Systems) -> dg.AssetCheckResult:
        with systems.database.read() as session:
            chosen = queries.sample_of_ledger(session, stage, SAMPLE)
        damaged: list[tuple[int, str, str]] = []
        for video_id in chosen:
            damaged += [(video_id, *said) for said in _damage(systems, video_id, stage)]
        rows = markdown(table(("video", "what", "run"), damaged[:50]))
        metadata: dict[str, Any] = {"videos": len(chosen), "damaged": rows}
        return dg.AssetCheckResult(passed=not damaged, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)

    return files_whole


def _damage(systems: Systems, video_id: int, stage: Stage) -> Iterator[tuple[str, str]]:
    """Pairs of (what is wrong with the artifact, which command repairs it); none where it is whole."""
    again, look = f"video-assets process --video {video_id}", "video-assets reconcile"
    try:
        manifest = current(systems.storage, video_id, stage)
    except PermanentError as error:
        yield one_line(error), f"{look}; {again}"
        return
    if manifest is None:
        yield "nothing is current, though the ledger says so", f"{look}; {again}"
        return
    for damage in damaged_files(systems.storage, manifest):
        if stage is Stage.UPLOADS:
            yield str(damage), "nothing else holds it; upload it again"
        elif damage.what == ALTERED:
            yield str(damage), f"{look} --thorough; {again}"
        else:
            yield str(damage), again


files_checks = [_files_check(stage) for stage in Stage]
