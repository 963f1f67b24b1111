"""The run launcher of the production instance: runs start in warm workers, by way of a queue."""

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
    """CeleryRunLauncher, but for three things that cost runs their lives.

    Its `terminate` signals the worker without a word to the instance, so that the run takes the signal for an
    accident and ends in FAILURE; and what still lay in the queue stayed STARTING for ever. Here a run is marked
    as being canceled, and its worker, who looks, stops it; one that nobody has begun ends at once. No broker is
    needed for that. And while the broker is away a launch waits, where the parent's fails the run.
    """

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(default_queue=RUNS, broker=broker, inst_data=inst_data)
        self.celery = make_app(broker)

    @classmethod
    def config_type(cls) -> Any:
        """Takes the broker's URL alone; the rest is the same for launcher and workers, so it is code."""
        return {"broker": dg.Field(dg.StringSource, description="URL of the Redis that holds the queues.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "WarmRunLauncher":
        """As Dagster makes it out of dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_resume_run(self) -> bool:
        """A run whose worker died is launched anew: what was finished is not made again."""
        return False

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Heartbeats tell."""
        return False

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> None:
        """Nothing but what the event log says."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Puts the run into its queue; returns once it is there, or is not wanted any more."""
        run = context.dagster_run
        queue = queue_of(run.job_name, run.tags)
        while True:
            try:
                self.celery.send_task(EXECUTE_RUN, (run.run_id,), queue=queue, retry=False)
            except OperationalError as error:
                if not self._still_wanted(run.run_id, one_line(error, 200)):
                    return
                time.sleep(WAIT_SECONDS)
            else:
                self._instance.report_engine_event(f"put into the queue {queue}", run, cls=type(self))
                return

    def terminate(self, run_id: str) -> bool:
        """Marks the run as being canceled; whoever works on it stops. False where it has ended."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if run.status is not dg.DagsterRunStatus.STARTED:
            # Nobody has begun it. Should somebody in this moment: a run that is canceled is not begun, and one
            # that is canceled in the act is stopped.
            self._instance.report_run_canceled(run, message="canceled before a worker began it")
        return True

    def _still_wanted(self, run_id: str, why: str) -> bool:
        """Notes that the launch waits, which also keeps START_TIMEOUT from counting; False where the run has
        ended meanwhile."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if WAITING_TAG not in run.tags:
            self._instance.report_engine_event(f"the queue's broker does not answer ({why}); waiting for it", run)
        self._instance.add_run_tags(run_id, {WAITING_TAG: utc_now().isoformat(timespec="seconds")})
        return True
