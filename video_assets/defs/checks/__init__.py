"""Standing checks: they examine existing artifacts, in the job `audit`, and block nothing. The checks that an artifact
must pass before it is published are not here but in `recipes`."""

from __future__ import annotations

from video_assets.defs.checks.files import files_checks
from video_assets.defs.checks.index import index_in_step
from video_assets.defs.checks.quality import looks_like_its_source

standing_checks = [*files_checks, index_in_step, looks_like_its_source]
"""Every standing check."""
