"""The worker: takes runs from the queues and executes them in processes that have everything loaded.

The parent loads the graph and forks, so a run begins within a tenth of a second instead of several seconds. Each child
executes one run at a time, and watches its state, because the run may be canceled.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import dagster as dg
import psutil
from billiard.exceptions import WorkerLostError
from celery.signals import task_failure, worker_process_init, worker_shutting_down
from dagster import DagsterRunStatus
from dagster._cli.api import _execute_run_command_body

from video_assets.database.engine import Database
from video_assets.defs.ends import give_up
from video_assets.defs.instance.queues import EXECUTE_RUN, QUEUES, make_app
from video_assets.errors import TransientError
from video_assets.settings import Settings
from video_assets.videos import HANDED_BACK, WORKER_LOST, EndCause

T = TypeVar("T")
log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
STORAGE_SECONDS = 60.0
"""How long a run that was taken from the queue waits for a database that does not answer."""
_TO_BEGIN = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING)
_TO_STOP = (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE)


GRAPH = "video_assets.definitions"
"""The module that is loaded before forking."""


def work(
    settings: Settings, *, slots: int, grace_seconds: float, queues: Sequence[str] = QUEUES, graph: str = GRAPH
) -> int:
    """Executes runs until told to stop (SIGTERM or Ctrl-C); returns the exit status. When told to stop it takes no more
    runs, and running ones have `grace_seconds` to end. Then they are interrupted, which hands them back: their videos
    are launched again, and finished artifacts are reused."""
    app = make_app(settings.celery_broker_url)
    app.task(name=EXECUTE_RUN)(execute_run)
    worker_process_init.connect(_drop_inherited_connections)
    preload(graph)
    with settings.exported():
        worker = app.Worker(
            concurrency=slots,
            queues=list(queues),
            hostname=f"video-assets-{os.getpid()}@{socket.gethostname()}",
            without_gossip=True,
            without_mingle=True,
            loglevel="WARNING",
            quiet=True,
        )
        with _handing_back(grace_seconds) as interrupted, _failing_runs_of_dead_children(interrupted):
            worker.start()
    return int(worker.exitcode or 0)


def preload(graph: str) -> None:
    """Loads the graph with all its jobs, once for all children."""
    definitions: dg.Definitions = importlib.import_module(graph).defs
    definitions.get_repository_def().get_all_jobs()  # resolves the jobs
    gc.collect()
    gc.freeze()  # objects that are never collected are never written to, so their memory stays shared with the children


def _drop_inherited_connections(**_: object) -> None:
    """First thing in a child: drops network connections inherited from the parent. A child that replaces another is
    forked while the parent has a connection to the broker. The child would keep it open after the parent's death, and
    anything it sent would corrupt the parent's traffic."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for each in psutil.Process().net_connections("inet"):
        # Replaced, not closed: an inherited object would later close its descriptor number, which might be another
        # connection by then.
        os.dup2(nowhere, each.fd)
    os.close(nowhere)


def execute_run(run_id: str) -> None:
    """Executes a run that has not begun. Any other run is skipped: its message came twice, or it was canceled or given
    up in the meantime."""
    instance = _instance()
    with _alone(run_id) as alone:
        run = _until_it_answers(lambda: instance.get_run_by_id(run_id)) if alone else None
        if run is None or run.status not in _TO_BEGIN:
            log.warning("run %s is not begun: %s", run_id, run.status.value.lower() if run else "gone, or another's")
            return
        with _stopped_on_demand(instance, run_id):
            _execute_run_command_body(
                run_id=run_id, instance=instance, write_stream_fn=lambda _: None, set_exit_code_on_failure=False
            )


@contextmanager
def _alone(run_id: str) -> Iterator[bool]:
    """For the block, whether this process alone has the lock of the run. Two daemons may both have queued it."""
    with ExitStack() as held:
        yield bool(_until_it_answers(lambda: held.enter_context(_database().only_one(f"run {run_id}"))))
        with suppress(TransientError):  # if its connection was lost, the lock is gone already
            held.close()


@cache
def _database() -> Database:
    return Database(Settings.load().database)


@cache
def _instance() -> dg.DagsterInstance:
    """This child's instance, for all its runs: opening one takes as long as a small run."""
    return _until_it_answers(dg.DagsterInstance.get)


def _until_it_answers(ask: Callable[[], T]) -> T:
    """Calls `ask` once a second until it succeeds; raises its error after `STORAGE_SECONDS`. (`retrying.Policy` limits
    the number of tries; here the time counts, and each try may itself take long.)"""
    deadline = time.monotonic() + STORAGE_SECONDS
    while True:
        try:
            return ask()
        except Exception as error:  # several database drivers, each with its own exceptions
            if time.monotonic() > deadline:
                raise
            log.warning("Dagster's storage does not answer: %s", error)
            time.sleep(LOOK_SECONDS)


@contextmanager
def _stopped_on_demand(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """For the block, watches the run's state from a thread, and interrupts this process if the run is canceled or given
    up."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            with suppress(Exception):  # if the storage is away, the next look tries again
                run = instance.get_run_by_id(run_id)
                if (run is None or run.status in _TO_STOP) and not ended.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                    return

    watcher = threading.Thread(target=look, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _handing_back(grace_seconds: float) -> Iterator[threading.Event]:
    """For the block, makes a worker that is told to stop interrupt its runs after `grace_seconds`. Yields an event that
    is set once they are interrupted."""
    over, interrupted = threading.Event(), threading.Event()

    def interrupt() -> None:
        if not over.wait(grace_seconds):
            interrupted.set()
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    child.terminate()

    def stopping(**_: object) -> None:
        log.warning("stopping; runs under way have %g s to end", grace_seconds)
        threading.Thread(target=interrupt, name="grace", daemon=True).start()

    worker_shutting_down.connect(stopping)
    try:
        yield interrupted
    finally:
        over.set()
        worker_shutting_down.disconnect(stopping)


@contextmanager
def _failing_runs_of_dead_children(interrupted: threading.Event) -> Iterator[None]:
    """For the block, fails the run of a child that was killed, sooner than its missing heartbeat would. A child that we
    interrupted reports its end itself, unless its run had hardly begun."""

    def fail_run(sender: Any = None, exception: Any = None, args: Sequence[str] = (), **_: object) -> None:
        if isinstance(exception, WorkerLostError) and args:
            with suppress(Exception):  # then the missing heartbeat fails the run later
                _end_lost_run(args[0], HANDED_BACK if interrupted.is_set() else WORKER_LOST)

    task_failure.connect(fail_run)
    try:
        yield
    finally:
        task_failure.disconnect(fail_run)


def _end_lost_run(run_id: str, cause: EndCause) -> None:
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message="canceled; its worker ended with it")
        else:
            went = "was told to stop" if cause == HANDED_BACK else "died"
            give_up(instance, run, cause, f"the worker {went}; try again")
