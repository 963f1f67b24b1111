"""Cancels the runs of a video."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

import dagster as dg
from dagster import DagsterRunStatus
from sqlalchemy import delete, select

from video_assets.clock import utc_now
from video_assets.database.models import CancelRequestRow
from video_assets.defs.jobs import PROCESS_VIDEO
from video_assets.defs.operations.unfinished import is_finished, unfinished_runs
from video_assets.errors import one_line
from video_assets.library import queries
from video_assets.runs import launches
from video_assets.systems import Systems
from video_assets.videos import VideoStatus

log = logging.getLogger(__name__)
LAUNCH_SECONDS = 10.0
"""How long the daemon may take to create a run that the uploads sensor has asked for."""


def cancel_video(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> int:
    """Tells every unfinished run of the video to stop; returns how many there were. If a worker does not answer,
    `reconcile` reports its run as canceled. For a video that still waits for its run, a run is recorded that was
    canceled before it began: the video counts as canceled from then on, and is not launched by itself."""
    waits = _withhold(systems, video_id)
    runs = unfinished_runs(instance, video_id)
    deadline = time.monotonic() + LAUNCH_SECONDS
    while waits and not runs and _is_being_launched(systems, video_id) and time.monotonic() < deadline:
        time.sleep(0.2)  # the sensor has requested a run that the daemon has not created yet
        runs = unfinished_runs(instance, video_id)
    if waits and not runs:
        _note_canceled(instance, video_id)
        return 1
    for run in runs:
        if run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED):
            instance.report_run_canceled(run, message="canceled before it started")
            continue
        try:
            stopping = instance.run_launcher.terminate(run.run_id)
        except Exception as error:  # whatever the launcher raises, the run must end
            stopping = False
            instance.report_engine_event(f"could not be stopped: {one_line(error, 200)}", run)
        if not stopping and not is_finished(instance, run.run_id):
            instance.report_run_canceled(run, message="canceled; its worker did not answer")
    return len(runs)


def cancel_requested(systems: Systems, instance: dg.DagsterInstance) -> list[int]:
    """Cancels the videos of which somebody without Dagster asked it; returns their ids. A request is removed only when
    it is done, so that one that was broken off is done again."""
    with systems.database.read() as session:
        query = select(CancelRequestRow.video_id, CancelRequestRow.requested_at)
        asked = session.execute(query.order_by(CancelRequestRow.requested_at)).all()
    for video_id, requested_at in asked:
        try:
            cancel_video(systems, instance, video_id)
        except Exception as error:  # whatever it is, other videos are not to wait for it
            log.warning("video %d could not be canceled: %s; trying again", video_id, one_line(error))
            continue
        row = CancelRequestRow.video_id == video_id
        with systems.database.write() as session:  # not a request that came meanwhile
            session.execute(delete(CancelRequestRow).where(row, CancelRequestRow.requested_at == requested_at))
    return [video_id for video_id, _ in asked]


def _withhold(systems: Systems, video_id: int) -> bool:
    """Keeps the uploads sensor from launching the video; False where the video is not pending."""
    with systems.database.write() as session:
        row = queries.video(session, video_id)
        if row is None or row.status != VideoStatus.PENDING.value:
            launches.drop_unrequested(session, video_id, now=utc_now())
            return False
        launches.withhold(session, video_id, now=utc_now())
        return True


def _is_being_launched(systems: Systems, video_id: int) -> bool:
    with systems.database.read() as session:
        return launches.is_requested(session, video_id)


def _note_canceled(instance: dg.DagsterInstance, video_id: int) -> None:
    # It is written to the event log, from which the projection and a rebuild read everything about a video's runs.
    run = dg.DagsterRun(
        job_name=PROCESS_VIDEO,
        run_id=str(uuid4()),
        tags={"dagster/partition": str(video_id), "video_assets/reason": "cancel"},
    )
    instance.add_run(run)
    # The launch stays open until the projection has seen this: else the sensor would launch the video in between.
    instance.report_run_canceled(run, message="canceled before it was launched")
