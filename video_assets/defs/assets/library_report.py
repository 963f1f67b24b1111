"""library_report: the whole library in tables and pictures."""

import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from video_assets.defs.metadata import image, markdown, table
from video_assets.defs.partitions import VIDEOS
from video_assets.library.report import library_figures, plots
from video_assets.systems import Systems
from video_assets.videos import Stage

REPORT_PREFIX = "reports/library/"


@dg.asset(
    group_name="report",
    kinds={"pandas"},
    owners=["team:video"],
    code_version="library-1",
    deps=[dg.AssetDep(stage.value) for stage in Stage],
    io_manager_key="nothing",
)
def library_report(systems: dg.ResourceParam[Systems]) -> dg.MaterializeResult[None]:
    """Hours, minutes of speech, cost and time a stage, failures by kind; tables and plots in storage."""
    figures = library_figures(systems.database)
    metadata: dict[str, Any] = {VIDEOS: len(figures.videos)}
    for name, frame in figures.tables().items():
        metadata[name] = markdown(table(list(frame.columns), frame.head(30).itertuples(index=False)))
        data = frame.to_csv(index=False).encode()
        systems.storage.put_bytes(f"{REPORT_PREFIX}{name}.csv", data, content_type="text/csv")
    with tempfile.TemporaryDirectory(prefix="video-assets-report-") as folder:
        for path in plots(figures, Path(folder)):
            picture = path.read_bytes()
            systems.storage.put_bytes(f"{REPORT_PREFIX}{path.name}", picture, content_type="image/png")
            if shown := image(picture, content_type="image/png", limit=60_000):
                metadata[path.stem] = shown
    return dg.MaterializeResult(metadata=metadata)
