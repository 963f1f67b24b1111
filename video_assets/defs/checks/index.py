"""The check `index_in_step`: compares the search index with the manifests."""

from typing import Any

import dagster as dg

from video_assets.artifacts import current
from video_assets.defs.checks.files import SAMPLE
from video_assets.defs.checks.standing import standing_check
from video_assets.defs.metadata import markdown, table
from video_assets.errors import PermanentError
from video_assets.library import queries
from video_assets.systems import Systems
from video_assets.videos import Stage


@standing_check(Stage.SEARCH_DOCUMENTS, "index_in_step", "The index holds what the manifests say, of a sample.")
def index_in_step(systems: Systems) -> dg.AssetCheckResult:
    """Compares version and number of passages. `video-assets rebuild --index` puts a difference right."""
    with systems.database.read() as session:
        chosen = queries.sample_of_ledger(session, Stage.SEARCH_DOCUMENTS, SAMPLE)
    wrong: list[tuple[int, str]] = []
    for video_id in chosen:
        try:
            manifest = current(systems.storage, video_id, Stage.SEARCH_DOCUMENTS)
        except PermanentError:  # `files_whole` reports it
            continue
        held = systems.search.read(video_id)
        if manifest is None:
            continue
        wanted = (manifest.facts["index_version"], manifest.facts["passages"])
        if held is None or (held.version, held.passages) != wanted:
            wrong.append((video_id, "not in the index" if held is None else f"holds {held.version}, not {wanted[0]}"))
    metadata: dict[str, Any] = {"videos": len(chosen), "out of step": markdown(table(("video", "what"), wrong[:50]))}
    return dg.AssetCheckResult(passed=not wrong, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)
