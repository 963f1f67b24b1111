"""The run launcher of the production instance: puts runs into a queue, from which warm workers take them."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.launcher import LaunchRunContext
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from kombu.exceptions import OperationalError

from video_assets.clock import utc_now
from video_assets.defs.instance.queues import EXECUTE_RUN, RUNS, make_app, queue_of
from video_assets.errors import one_line

WAIT_SECONDS = 2.0
WAITING_TAG = "video_assets/waiting_for_queue"


class WarmRunLauncher(CeleryRunLauncher):
    """CeleryRunLauncher, with three differences.

    The parent's `terminate` signals the worker without telling the instance, so the run takes the signal for an
    accident and ends in FAILURE. Here the run is marked as CANCELING, and its worker, which watches the state, stops
    it; this needs no broker. With the parent a run that is still in the queue stays STARTING for ever; here it ends at
    once. While the broker is away the parent fails the run; here the launch waits.
    """

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(default_queue=RUNS, broker=broker, inst_data=inst_data)
        self.celery = make_app(broker)

    @classmethod
    def config_type(cls) -> Any:
        """Only the broker's URL. Everything else must be equal in launcher and workers, so it is code."""
        return {"broker": dg.Field(dg.StringSource, description="URL of the Redis that holds the queues.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "WarmRunLauncher":
        """How Dagster makes the launcher from dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_resume_run(self) -> bool:
        """No: a video whose worker died gets a new run, which reuses the finished artifacts."""
        return False

    @property
    def supports_check_run_worker_health(self) -> bool:
        """No: heartbeats show whether a worker is alive."""
        return False

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> None:
        """Nothing; the event log says everything."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Puts the run into its queue, and waits while the broker is away. Returns once the run is queued or has
        ended."""
        run = context.dagster_run
        queue = queue_of(run.job_name, run.tags)
        while True:
            try:
                self.celery.send_task(EXECUTE_RUN, (run.run_id,), queue=queue, retry=False)
            except OperationalError as error:
                if not self._note_waiting(run.run_id, one_line(error, 200)):
                    return
                time.sleep(WAIT_SECONDS)
            else:
                self._instance.report_engine_event(f"put into the queue {queue}", run, cls=type(self))
                return

    def terminate(self, run_id: str) -> bool:
        """Marks the run as CANCELING, so that its worker stops; False where it has ended."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if run.status is not dg.DagsterRunStatus.STARTED:
            # No worker has begun it. If one does right now: a worker does not begin a canceled run, and stops one that
            # is canceled while it begins.
            self._instance.report_run_canceled(run, message="canceled before a worker began it")
        return True

    def _note_waiting(self, run_id: str, why: str) -> bool:
        """Records that the launch waits for the broker, which also restarts START_TIMEOUT; False where the run has
        ended meanwhile."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if WAITING_TAG not in run.tags:
            self._instance.report_engine_event(f"the queue's broker does not answer ({why}); waiting for it", run)
        self._instance.add_run_tags(run_id, {WAITING_TAG: utc_now().isoformat(timespec="seconds")})
        return True
