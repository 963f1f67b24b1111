"""Runs over Celery: the queues, which run goes into which, and the app that launcher and workers share.

A message says which run, and nothing else. Whatever becomes of it (lost with the broker, delivered twice), the
run's own state decides: a worker begins only what waits to be begun.
"""

from __future__ import annotations

from collections.abc import Mapping

from celery import Celery
from kombu.entity import Queue

from video_assets.defs.bulk_remake import REMAKE_LIGHT
from video_assets.defs.jobs import audit

RUNS, BACKFILL = "video-runs", "video-backfill"
QUEUES = (RUNS, BACKFILL)
"""In the order in which a worker looks into them: no upload waits behind a backfill."""

EXECUTE_RUN = "video_assets.execute_run"
QUEUE_TAG = "dagster-celery/queue"
"""On a run, names the queue it is to go into."""

_IN_BULK = (REMAKE_LIGHT, audit.name)


def queue_of(job_name: str, tags: Mapping[str, str]) -> str:
    """The queue a run goes into: its tag's, else by whether somebody waits for it."""
    named = tags.get(QUEUE_TAG)
    if named in QUEUES:
        return named
    return BACKFILL if "dagster/backfill" in tags or job_name in _IN_BULK else RUNS


def make_app(broker: str) -> Celery:
    """The app over a Redis at `broker`. It keeps no results: the event log tells how runs went."""
    app = Celery("video-assets", broker=broker, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=RUNS,
        task_create_missing_queues=False,
        task_ignore_result=True,
        # With both of these a worker takes no run that it has no slot for, where another might have one.
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
            # For who sends: it is told at once that nobody answers, and knows better how long to wait.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
        },
    )
    return app
