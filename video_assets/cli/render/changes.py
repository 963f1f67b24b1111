"""Watches the tables and makes a line of each change."""

from __future__ import annotations

from collections.abc import Sequence

from video_assets.cli.render.format import done, plain
from video_assets.database.engine import Database
from video_assets.library import views

STEP = 0.25
"""Progress gets a line each time it has advanced by this fraction."""


class Watcher:
    """Remembers what it saw; `look` returns what is new. Follows all videos that are neither ready nor failed, and
    those in `video_ids`; with `only` no others than those."""

    def __init__(self, database: Database, video_ids: Sequence[int] = (), *, only: bool = False) -> None:
        self.database = database
        self._only = only
        self._named = list(video_ids)
        self._statuses: dict[int, str] = {}
        self._progress: dict[int, tuple[str, int]] = {}

    def look(self) -> list[str]:
        """A line for each change since the last look."""
        with self.database.read() as session:
            found = views.moving(session, [*self._named, *self._statuses])
        lines: list[str] = []
        for video in found:
            if self._only and video.id not in self._named:
                continue
            lines += self._changes(video)
        # Finished videos are forgotten, so that watching costs the same after a thousand videos.
        resting = {video.id for video in found if video.status in views.SETTLED} - set(self._named)
        for video_id in resting | (set(self._statuses) - {video.id for video in found}):
            self._statuses.pop(video_id, None)
            self._progress.pop(video_id, None)
        return lines

    def _changes(self, video: views.Listed) -> list[str]:
        name = f"video {video.id} ({plain(video.title, 40)})"
        lines: list[str] = []
        if self._statuses.get(video.id) != video.status:
            self._statuses[video.id] = video.status
            message = f": {plain(video.status_message, 300)}" if video.status_message else ""
            lines.append(f"{name} {plain(video.status, 20)}{message}")
        doing = video.doing
        if doing is not None and video.status not in views.SETTLED:
            step = (doing.stage, int(doing.fraction / STEP))
            if self._progress.get(video.id) != step and doing.fraction > 0:
                self._progress[video.id] = step
                lines.append(f"{name} {done(doing.stage, doing.fraction, doing.speed, doing.eta_seconds)}")
        return lines
