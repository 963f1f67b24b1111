"""The heartbeat of a running asset, in the table `progress`.

Advisory: if writing it fails, the run goes on. A run without heartbeats counts as dead after a while, so a separate
thread writes them, also during a long encode.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from video_assets.database.engine import Database
from video_assets.database.models import ProgressRow
from video_assets.database.upsert import upsert
from video_assets.videos import Stage

log = logging.getLogger(__name__)
PROGRESS_SECONDS = 1.0
"""Progress is written at most this often."""
STOP_SECONDS = 2.0
"""How long the end of a stage waits for a heartbeat that is being written."""


class ProgressHeartbeat:
    """Writes the heartbeat of the stage that this process works on; one stage at a time."""

    def __init__(
        self, database: Database, *, heartbeat_seconds: float, clock: Callable[[Session], datetime] | None = None
    ) -> None:
        self.database = database
        self.heartbeat_seconds = heartbeat_seconds
        # The database's clock, not this machine's: the reader may be on a machine whose clock differs.
        self.clock = clock or database.now
        self._beat: _Beat | None = None

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        """Starts the heartbeat of a stage. The thread writes the first one at once."""
        self.stop()
        self._beat = _Beat(self, {"run_id": run_id, "video_id": video_id, "stage": stage.value})
        self._beat.thread.start()

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """Records how far the stage is. The thread writes it, at most once a second."""
        if self._beat is not None:
            self._beat.note(min(max(fraction, 0.0), 1.0), speed, eta_seconds)

    def stop(self) -> None:
        """Ends the heartbeat of the stage. The last row stays until the run's next stage or `clear`."""
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.end()


class _Beat:
    def __init__(self, heartbeat: ProgressHeartbeat, identity: dict[str, Any]) -> None:
        self.heartbeat = heartbeat
        self.row: dict[str, Any] = {
            **identity,
            "fraction": 0.0,
            "speed": None,
            "eta_seconds": None,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        self.woken = threading.Condition()
        self.has_progress = self.ended = self.warned = False
        self.thread = threading.Thread(target=self._run, name=f"heartbeat-{identity['stage']}", daemon=True)

    def note(self, fraction: float, speed: float | None, eta_seconds: float | None) -> None:
        with self.woken:
            self.row |= {"fraction": fraction, "speed": speed, "eta_seconds": eta_seconds}
            self.has_progress = True
            self.woken.notify()

    def end(self) -> None:
        with self.woken:
            self.ended = True
            self.woken.notify()
        self.thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while True:
            with self.woken:
                if self.ended:
                    return
                row, self.has_progress = dict(self.row), False
            self._write(row)
            written = time.monotonic()
            with self.woken:
                # The next heartbeat is due after `heartbeat_seconds`; with new progress already after a second.
                self.woken.wait_for(lambda: self.ended, min(PROGRESS_SECONDS, self.heartbeat.heartbeat_seconds))
                left = self.heartbeat.heartbeat_seconds - (time.monotonic() - written)
                self.woken.wait_for(lambda: self.ended or self.has_progress, max(left, 0.0))

    def _write(self, row: Mapping[str, Any]) -> None:
        try:
            with self.heartbeat.database.write() as session:
                upsert(session, ProgressRow, ("run_id",), [{**row, "beat_at": self.heartbeat.clock(session)}])
            self.warned = False
        except Exception:  # advisory: a database that is away must not end an hour of encoding
            if not self.warned:
                log.warning("the heartbeat of run %s could not be written", row["run_id"], exc_info=True)
            self.warned = True


def clear(session: Session, run_id: str) -> None:
    """Removes the progress of a run that is over."""
    session.execute(delete(ProgressRow).where(ProgressRow.run_id == run_id))


def clear_before(session: Session, moment: datetime) -> None:
    """Removes the rows of runs whose last heartbeat is older than this."""
    session.execute(delete(ProgressRow).where(ProgressRow.beat_at < moment))
