"""The worker: takes runs from the queues and executes them in processes that have everything loaded.

Its parent loads the graph and forks; a run then begins within a tenth of a second instead of several. Each
child executes one run at a time, and looks at the run's state meanwhile, for somebody may want it stopped.
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
"""How long a run that was taken from the queue waits for Dagster's storage to answer."""
_TO_BEGIN = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING)
_TO_STOP = (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE)


GRAPH = "video_assets.definitions"
"""The module that is loaded beforehand."""


def work(
    settings: Settings, *, slots: int, grace_seconds: float, queues: Sequence[str] = QUEUES, graph: str = GRAPH
) -> int:
    """Works until told to stop (SIGTERM or Ctrl-C); returns the exit status. Then it takes no more runs, and
    those under way have `grace_seconds` to end; after that they are interrupted, which hands them back: their
    videos are launched again, and what was finished is not made again."""
    app = make_app(settings.celery_broker_url)
    app.task(name=EXECUTE_RUN)(execute_run)
    worker_process_init.connect(_let_go_of_the_parents_connections)
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
        with _handing_back(grace_seconds) as stopping, _telling_of_dead_children(stopping):
            worker.start()
    return int(worker.exitcode or 0)


def preload(graph: str) -> None:
    """Loads the graph with all its jobs, once, for every child to come."""
    definitions: dg.Definitions = importlib.import_module(graph).defs
    definitions.get_repository_def().get_all_jobs()  # resolved by being asked for
    gc.collect()
    gc.freeze()  # what is never collected is never written to either, and stays shared between the children


def _let_go_of_the_parents_connections(**_: object) -> None:
    """In a child before all else. One that replaces another is a fork of a parent that talks with the broker: it
    would hold that connection open after its parent's death, and a word into it would be a word in between."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for each in psutil.Process().net_connections("inet"):
        # Not closed: whatever object has the number would close somebody else's connection later.
        os.dup2(nowhere, each.fd)
    os.close(nowhere)


def execute_run(run_id: str) -> None:
    """Executes a run that waits to be begun. Any other is passed over: its message came twice, it was canceled
    on the way here, or it was given up."""
    instance = _instance()
    with _alone(run_id) as alone:
        run = _patiently(lambda: instance.get_run_by_id(run_id)) if alone else None
        if run is None or run.status not in _TO_BEGIN:
            log.warning("run %s is not begun: %s", run_id, run.status.value.lower() if run else "gone, or another's")
            return
        with _stopped_on_demand(instance, run_id):
            _execute_run_command_body(
                run_id=run_id, instance=instance, write_stream_fn=lambda _: None, set_exit_code_on_failure=False
            )


@contextmanager
def _alone(run_id: str) -> Iterator[bool]:
    """Whether we are the only one at this run, for the block. Two daemons may both have put it into the queue."""
    with ExitStack() as held:
        yield bool(_patiently(lambda: held.enter_context(_database().only_one(f"run {run_id}"))))
        with suppress(TransientError):  # a lock that went with its connection needs no giving back
            held.close()


@cache
def _database() -> Database:
    return Database(Settings.load().database)


@cache
def _instance() -> dg.DagsterInstance:
    """This child's own instance, for all its runs: opening one takes as long as a small run."""
    return _patiently(dg.DagsterInstance.get)


def _patiently(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + STORAGE_SECONDS
    while True:
        try:
            return ask()
        except Exception as error:  # the drivers of several databases, each with errors of its own
            if time.monotonic() > deadline:
                raise
            log.warning("Dagster's storage does not answer: %s", error)
            time.sleep(LOOK_SECONDS)


@contextmanager
def _stopped_on_demand(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """For the block, interrupts this process once the run is to be stopped, or was given up."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            with suppress(Exception):  # a storage that does not answer now does later
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
    """For the block, has a worker that is told to stop interrupt its runs once their time is over; gives what is
    set from then on."""
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
def _telling_of_dead_children(interrupted: threading.Event) -> Iterator[None]:
    """For the block, fails the run of a child that was killed: sooner than its silence would. One that we have
    interrupted ourselves says so itself, unless its run had hardly begun."""

    def tell(sender: Any = None, exception: Any = None, args: Sequence[str] = (), **_: object) -> None:
        if isinstance(exception, WorkerLostError) and args:
            with suppress(Exception):  # the heartbeat tells it in the end
                _lost(args[0], HANDED_BACK if interrupted.is_set() else WORKER_LOST)

    task_failure.connect(tell)
    try:
        yield
    finally:
        task_failure.disconnect(tell)


def _lost(run_id: str, cause: EndCause) -> None:
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message="canceled; its worker ended with it")
        else:
            went = "was told to stop" if cause == HANDED_BACK else "died"
            give_up(instance, run, cause, f"the worker {went}; try again")
