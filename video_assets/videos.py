"""The words that every room uses: video, status, stage, run state, and the causes a run is ended for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal


class VideoStatus(str, Enum):
    """Values of `videos.status`, the same that the services before wrote. `failed` can follow any of them."""

    UPLOADING = "uploading"
    PENDING = "pending"
    TRANSCODING = "transcoding"
    TRANSCRIBING = "transcribing"
    SUMMARIZING = "summarizing"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class Stage(str, Enum):
    """The stages of a video, in the order in which they run. Each value is also the name of the Dagster asset, of the
    folder in storage and of the row in the ledger."""

    UPLOADS = "uploads"
    VARIANTS = "variants"
    TRANSCRIPTS = "transcripts"
    SUMMARIES = "summaries"
    SEARCH_DOCUMENTS = "search_documents"

    @property
    def status(self) -> VideoStatus:
        """The status of a video whose first missing artifact is this stage's."""
        return _STATUS_WHILE_MAKING[self]


_STATUS_WHILE_MAKING = {
    Stage.UPLOADS: VideoStatus.PENDING,
    Stage.VARIANTS: VideoStatus.TRANSCODING,
    Stage.TRANSCRIPTS: VideoStatus.TRANSCRIBING,
    Stage.SUMMARIES: VideoStatus.SUMMARIZING,
    Stage.SEARCH_DOCUMENTS: VideoStatus.INDEXING,
}

READY_WHEN_CURRENT = (Stage.VARIANTS, Stage.TRANSCRIPTS, Stage.SUMMARIES, Stage.SEARCH_DOCUMENTS)
"""A video is `ready` once each of these stages has had a current artifact."""


class RunState(str, Enum):
    """The state of a run. It only moves forward: queued, started, ended."""

    QUEUED = "queued"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED)


EndCause = Literal["worker_lost", "launch_lost", "handed_back"]
"""Why we ended a run ourselves. None of these is the video's fault. The values are stored in tags and tables."""
WORKER_LOST: Final = "worker_lost"
"""The run's worker died or fell silent."""
LAUNCH_LOST: Final = "launch_lost"
"""No worker began the run in time."""
HANDED_BACK: Final = "handed_back"
"""The run's worker was told to stop."""


@dataclass(frozen=True)
class Video:
    """The descriptive columns of a video's row, which intake fills."""

    id: int
    key: str
    """Storage key of the uploaded object."""
    title: str
    description: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    created_at: datetime | None = None


def video_prefix(video_id: int) -> str:
    """The folder in storage that holds one video's upload and artifacts, with the trailing slash."""
    return f"videos/{video_id}/"
