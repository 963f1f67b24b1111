"""The Celery queues of runs: their names, which run goes into which, and the app that launcher and workers share.

A message holds a run id and nothing else. It may be lost or delivered twice: the run's state decides, since a worker
begins only a run that has not begun.
"""

from __future__ import annotations

from collections.abc import Mapping

from celery import Celery
from kombu.entity import Queue

from video_assets.defs.bulk_remake import REMAKE_LIGHT
from video_assets.defs.jobs import audit

RUNS, BACKFILL = "video-runs", "video-backfill"
QUEUES = (RUNS, BACKFILL)
"""In the order in which a worker takes from them, so that no upload waits behind a backfill."""

EXECUTE_RUN = "video_assets.execute_run"
QUEUE_TAG = "dagster-celery/queue"
"""The tag of a run that names its queue."""

_IN_BULK = (REMAKE_LIGHT, audit.name)


def queue_of(job_name: str, tags: Mapping[str, str]) -> str:
    """The queue of a run: the one that its tag names, else `video-backfill` for backfills and bulk jobs, and
    `video-runs` for others."""
    named = tags.get(QUEUE_TAG)
    if named in QUEUES:
        return named
    return BACKFILL if "dagster/backfill" in tags or job_name in _IN_BULK else RUNS


def make_app(broker: str) -> Celery:
    """The Celery app with the Redis at `broker`. It stores no results: they are in the event log."""
    app = Celery("video-assets", broker=broker, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=RUNS,
        task_create_missing_queues=False,
        task_ignore_result=True,
        # Together these two keep a worker from taking a run for which it has no free slot.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=100,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # For the launcher: it gets an error at once when the broker is away, and does the waiting itself.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
        },
    )
    return app
