"""The heartbeat: the one row a running asset writes, so that a dead run is told from a slow one."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from video_assets.database.engine import Database
from video_assets.database.models import ProgressRow
from video_assets.videos import Stage, utc_now

log = logging.getLogger(__name__)
PROGRESS_SECONDS = 1.0
"""At most one write a second, however often progress is reported."""


class ProgressPulse:
    """Writes the progress row from a thread of its own, so that neither a slow database nor a busy stage
    holds the other up. Advisory: it never raises."""

    def __init__(self, database: Database, *, heartbeat_seconds: float) -> None:
        self._database = database
        self._pause = heartbeat_seconds
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._row = (0, "", "")
        self._progress: tuple[float, float | None, float | None] = (0.0, None, None)

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        """The stage begins: a first beat at once, then regularly."""
        self.stop()
        self._row, self._progress = (video_id, run_id, stage.value), (0.0, None, None)
        self._ended.clear()
        self._thread = threading.Thread(target=self._beat_on, name=f"pulse-{run_id[:8]}", daemon=True)
        self._thread.start()

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """How far the stage is. Only remembered here; the thread writes it."""
        self._progress = (min(max(fraction, 0.0), 1.0), speed, eta_seconds)
        self._changed.set()

    def stop(self) -> None:
        """The stage is over; no beat of it comes later."""
        if self._thread is not None:
            self._ended.set()
            self._changed.set()
            self._thread.join()
            self._thread = None

    def _beat_on(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            self._beat()
            written = time.monotonic()
            self._changed.wait(self._pause)
            self._ended.wait(max(0.0, PROGRESS_SECONDS - (time.monotonic() - written)))

    def _beat(self) -> None:
        video_id, run_id, stage = self._row
        fraction, speed, eta_seconds = self._progress
        try:
            with self._database.write() as session:
                session.merge(
                    ProgressRow(
                        run_id=run_id,
                        video_id=video_id,
                        stage=stage,
                        fraction=fraction,
                        speed=speed,
                        eta_seconds=eta_seconds,
                        beat_at=utc_now(),
                        pid=os.getpid(),
                        host=socket.gethostname(),
                    )
                )
        except Exception as error:  # a beat that is lost is made up for by the next one
            log.debug("no heartbeat: %s", error)


def clear(session: Session, run_id: str) -> None:
    """Removes the row of a run that is over."""
    session.execute(delete(ProgressRow).where(ProgressRow.run_id == run_id))


def clear_before(session: Session, moment: datetime) -> None:
    """Removes rows of runs that were last heard of before `moment`."""
    session.execute(delete(ProgressRow).where(ProgressRow.beat_at < moment))
