"""Telling the runs of a video to stop."""

from __future__ import annotations

import time
from uuid import uuid4

import dagster as dg
from dagster import DagsterRunStatus

from video_assets.clock import utc_now
from video_assets.defs.jobs import PROCESS_VIDEO
from video_assets.defs.operations.unfinished import is_finished, unfinished_runs
from video_assets.errors import one_line
from video_assets.library import queries
from video_assets.runs import launches
from video_assets.systems import Systems
from video_assets.videos import VideoStatus

LAUNCH_SECONDS = 10.0
"""How long the daemon may take to create a run that the uploads sensor has asked for."""


def cancel_video(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> int:
    """Tells every unfinished run of the video to stop; returns how many there were. A run whose worker
    does not answer is reported canceled by `reconcile`. Of a video that waits for its run one is noted that was
    canceled before it began: it stands as canceled from then on, and nothing launches it by itself."""
    waits = _withhold(systems, video_id)
    runs = unfinished_runs(instance, video_id)
    deadline = time.monotonic() + LAUNCH_SECONDS
    while waits and not runs and _is_being_launched(systems, video_id) and time.monotonic() < deadline:
        time.sleep(0.2)  # the daemon was asked for it a moment ago
        runs = unfinished_runs(instance, video_id)
    if waits and not runs:
        _note_canceled(systems, instance, video_id)
        return 1
    for run in runs:
        if run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED):
            instance.report_run_canceled(run, message="canceled before it started")
            continue
        try:
            stopping = instance.run_launcher.terminate(run.run_id)
        except Exception as error:  # launchers raise what they like; the run must end all the same
            stopping = False
            instance.report_engine_event(f"could not be stopped: {one_line(error, 200)}", run)
        if not stopping and not is_finished(instance, run.run_id):
            instance.report_run_canceled(run, message="canceled; its worker did not answer")
    return len(runs)


def _withhold(systems: Systems, video_id: int) -> bool:
    """Keeps the uploads sensor from launching the video; False where it does not wait for that."""
    with systems.database.write() as session:
        row = queries.video(session, video_id)
        if row is None or row.status != VideoStatus.PENDING.value:
            return False
        launches.withhold(session, video_id, now=utc_now())
        return True


def _is_being_launched(systems: Systems, video_id: int) -> bool:
    with systems.database.read() as session:
        return launches.is_requested(session, video_id)


def _note_canceled(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> None:
    # In the event log, as whatever happens to a video: the projection and a rebuild read it from there.
    run = dg.DagsterRun(
        job_name=PROCESS_VIDEO,
        run_id=str(uuid4()),
        tags={"dagster/partition": str(video_id), "video_assets/reason": "cancel"},
    )
    instance.add_run(run)
    instance.report_run_canceled(run, message="canceled before it was launched")
    with systems.database.write() as session:
        launches.close(session, video_id, now=utc_now())
