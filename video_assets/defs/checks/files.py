"""Files there and unaltered: of a sample of videos, every byte of every artefact."""

from typing import Any

import dagster as dg

from video_assets.artifacts import current
from video_assets.artifacts.audit import damaged_files
from video_assets.database import reading
from video_assets.defs.checks.standing import standing_check
from video_assets.defs.describe import markdown, table
from video_assets.defs.platform import Platform
from video_assets.videos import Stage

SAMPLE = 100
"""Videos looked at each time, chosen at random: over many audits every one gets its turn."""


def _files_check(stage: Stage) -> dg.AssetChecksDefinition:
    @standing_check(stage, "files_whole", "Files there and unaltered, of a random sample.")
    def files_whole(platform: Platform) -> dg.AssetCheckResult:
        with platform.database.read() as session:
            chosen = reading.sample_of_ledger(session, stage, SAMPLE)
        damaged: list[tuple[int, str]] = []
        for video_id in chosen:
            manifest = current(platform.storage, video_id, stage)
            if manifest is None:
                damaged.append((video_id, "nothing is current, though the ledger says so"))
                continue
            damaged += [(video_id, words) for words in damaged_files(platform.storage, manifest)]
        metadata: dict[str, Any] = {"videos": len(chosen), "damaged": markdown(table(("video", "what"), damaged[:50]))}
        return dg.AssetCheckResult(passed=not damaged, severity=dg.AssetCheckSeverity.ERROR, metadata=metadata)

    return files_whole


files_checks = [_files_check(stage) for stage in Stage]
