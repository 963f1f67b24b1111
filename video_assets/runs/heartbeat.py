"""The heartbeat of a running asset, in the table `progress`.

Advisory: whatever goes wrong here, the making goes on. A run that falls silent is taken for dead after a
while, so the beat comes from a thread of its own, also while the asset waits for a long encode.
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
"""How long the end of a stage waits for a beat in the act of being written."""


class ProgressHeartbeat:
    """Writes the heartbeat of the one stage that this process works on."""

    def __init__(
        self, database: Database, *, heartbeat_seconds: float, clock: Callable[[Session], datetime] | None = None
    ) -> None:
        self.database = database
        self.heartbeat_seconds = heartbeat_seconds
        # Not this machine's clock: whoever reads the beats may sit at another whose clock differs.
        self.clock = clock or database.now
        self._beat: _Beat | None = None

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        """The stage begins: the first beat is written at once, by the thread."""
        self.stop()
        self._beat = _Beat(self, {"run_id": run_id, "video_id": video_id, "stage": stage.value})
        self._beat.thread.start()

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """How far the stage is. Only noted here; the thread writes it, at most once a second."""
        if self._beat is not None:
            self._beat.note(min(max(fraction, 0.0), 1.0), speed, eta_seconds)

    def stop(self) -> None:
        """The stage is over. Its last beat stays, until the run's next stage or `clear`."""
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
        self.fresh = self.ended = self.complained = False
        self.thread = threading.Thread(target=self._run, name=f"heartbeat-{identity['stage']}", daemon=True)

    def note(self, fraction: float, speed: float | None, eta_seconds: float | None) -> None:
        with self.woken:
            self.row |= {"fraction": fraction, "speed": speed, "eta_seconds": eta_seconds}
            self.fresh = True
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
                row, self.fresh = dict(self.row), False
            self._write(row)
            written = time.monotonic()
            with self.woken:
                # A beat is due after the heartbeat's pause; progress may call for one earlier, after a second.
                self.woken.wait_for(lambda: self.ended, min(PROGRESS_SECONDS, self.heartbeat.heartbeat_seconds))
                left = self.heartbeat.heartbeat_seconds - (time.monotonic() - written)
                self.woken.wait_for(lambda: self.ended or self.fresh, max(left, 0.0))

    def _write(self, row: Mapping[str, Any]) -> None:
        try:
            with self.heartbeat.database.write() as session:
                upsert(session, ProgressRow, ("run_id",), [{**row, "beat_at": self.heartbeat.clock(session)}])
            self.complained = False
        except Exception:  # advisory: a database that is away must not end an hour of encoding
            if not self.complained:
                log.warning("the heartbeat of run %s could not be written", row["run_id"], exc_info=True)
            self.complained = True


def clear(session: Session, run_id: str) -> None:
    """The run is over: its progress is of no interest any more."""
    session.execute(delete(ProgressRow).where(ProgressRow.run_id == run_id))


def clear_before(session: Session, moment: datetime) -> None:
    """Rows of runs that have been silent since before this moment."""
    session.execute(delete(ProgressRow).where(ProgressRow.beat_at < moment))
