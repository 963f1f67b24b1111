"""The outcome of `process` for one file or video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from video_assets.cli.render.format import plain
from video_assets.database.models import VideoRow
from video_assets.errors import PermanentError
from video_assets.library import queries
from video_assets.videos import RunState, VideoStatus


@dataclass
class Outcome:
    """How it went for one file, and where the video stands now."""

    file: str | None
    id: int | None = None
    status: str = "failed"
    status_message: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage → seconds that it took in this run."""
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    went_well: bool = False
    """Whether the run succeeded. A ready video stays ready when a later run fails, so the status does not say it."""

    def document(self) -> Mapping[str, Any]:
        """The outcome for `--json`."""
        return {
            "file": self.file,
            "id": self.id,
            "status": self.status,
            "status_message": self.status_message,
            "seconds": self.seconds,
            "artifacts": self.artifacts,
        }

    def line(self) -> str:
        """The outcome as one line, for people."""
        name = f"video {self.id}" if self.id is not None else plain(self.file, 120)
        message = f": {plain(self.status_message, 500)}" if self.status_message else ""
        but = ", but this run failed" if self.status == "ready" and not self.went_well else ""
        stages = ", ".join(
            f"{stage} {'reused' if self.artifacts.get(stage, {}).get('reused') else f'{seconds:.1f} s'}"
            for stage, seconds in self.seconds.items()
        )
        return f"{name} {self.status}{but}{message}" + (f" ({stages})" if stages else "")

    def read(self, session: Session, run_id: str | None) -> None:
        """Fills in the video's state from the tables. `run_id`: the run of this command; None where none began."""
        video_id = self.id or 0
        video, artifacts = queries.video(session, video_id), queries.artifacts(session, video_id)
        attempt = next((each for each in queries.attempts(session, video_id) if each.run_id == run_id), None)
        if video is None:
            self.status_message = "deleted meanwhile"
            return
        self.status, self.status_message = video.status, video.status_message
        self.went_well = attempt is not None and attempt.state == RunState.SUCCEEDED.value
        if attempt is not None and not self.went_well and self.status_message is None:
            self.status_message = f"{attempt.error_stage or attempt.state}: {attempt.error or attempt.error_kind}"
        self.artifacts = {
            row.artefact: {
                "fingerprint": row.fingerprint,
                "prefix": row.manifest_key.rpartition("/")[0] + "/",
                "reused": row.run_id != run_id,
            }
            for row in artifacts
        }


def uploaded(session: Session, video_id: int) -> VideoRow:
    """The row of an uploaded video; PermanentError where there is no such video, or its upload has not ended."""
    video = queries.video(session, video_id)
    if video is None:
        raise PermanentError(f"there is no video {video_id}; `video-assets status` lists those there are")
    if video.status == VideoStatus.UPLOADING.value:
        raise PermanentError(f"video {video_id} has not been uploaded whole; upload it again")
    return video
