"""Runs the graph for one video in this process, as `video-assets process` does in the embedded profile."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from video_assets.defs.jobs import PROCESS_VIDEO
from video_assets.defs.materialize import FORCE_TAG
from video_assets.defs.partitions import VIDEOS

LAUNCH_TAG = "video_assets/launch"
"""The tag with the run key of the launch; the uploads sensor sets it too."""


Graph = dg.Definitions
"""The type, for code that holds the definitions without importing Dagster."""


def run_video(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    video_id: int,
    *,
    reason: str,
    force: bool = False,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Runs `process_video` for a video to its end, in the calling thread; returns the run's id.

    The outcome is in the event log, as for any other run. A KeyboardInterrupt ends the run and is not raised here: the
    caller sees from the run's state that it did not finish.
    """
    instance.add_dynamic_partitions(VIDEOS, [str(video_id)])
    job = definitions.resolve_job_def(PROCESS_VIDEO)
    result = job.execute_in_process(
        instance=instance,
        partition_key=str(video_id),
        raise_on_error=False,
        tags={"video_assets/reason": reason, **({FORCE_TAG: "true"} if force else {}), **(tags or {})},
    )
    return result.run_id


def run_of_launch(instance: dg.DagsterInstance, run_key: str) -> dg.DagsterRun | None:
    """The newest run with this launch's run key, in its present state; None where there is none."""
    found = instance.get_runs(dg.RunsFilter(tags={LAUNCH_TAG: run_key}), limit=1)
    return found[0] if found else None
