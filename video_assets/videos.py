"""The words everything else speaks: what a video is, where it can stand, what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum


class VideoStatus(str, Enum):
    """Values of `videos.status`, as the services before wrote them. `failed` can follow any of them."""

    UPLOADING = "uploading"
    PENDING = "pending"
    TRANSCODING = "transcoding"
    TRANSCRIBING = "transcribing"
    SUMMARIZING = "summarizing"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class Stage(str, Enum):
    """The per-video artifacts, named as their Dagster assets, in the order in which they are made."""

    UPLOADS = "uploads"
    VARIANTS = "variants"
    TRANSCRIPTS = "transcripts"
    SUMMARIES = "summaries"
    SEARCH_DOCUMENTS = "search_documents"

    @property
    def status(self) -> VideoStatus:
        """What the video's status says while this artifact is the first one missing."""
        return _STATUS_WHILE_MAKING[self]


_STATUS_WHILE_MAKING = {
    Stage.UPLOADS: VideoStatus.PENDING,
    Stage.VARIANTS: VideoStatus.TRANSCODING,
    Stage.TRANSCRIPTS: VideoStatus.TRANSCRIBING,
    Stage.SUMMARIES: VideoStatus.SUMMARIZING,
    Stage.SEARCH_DOCUMENTS: VideoStatus.INDEXING,
}

READY_WHEN_CURRENT = (Stage.VARIANTS, Stage.TRANSCRIPTS, Stage.SUMMARIES, Stage.SEARCH_DOCUMENTS)
"""A video is ready once each of these has been current."""


class RunState(str, Enum):
    """Where a run can stand. It only moves forward: queued, started, ended."""

    QUEUED = "queued"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether nothing more can come of the run."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True)
class Video:
    """What intake knows of a video; the descriptive columns of its row."""

    id: int
    key: str
    """Storage key of the uploaded object."""
    title: str
    description: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    created_at: datetime | None = None


def video_prefix(video_id: int) -> str:
    """The folder in storage that holds everything made of one video, with the trailing slash."""
    return f"videos/{video_id}/"


def utc_now() -> datetime:
    """The current moment, aware, in UTC. Pure code takes times as arguments instead."""
    return datetime.now(timezone.utc)


def from_timestamp(seconds: float) -> datetime:
    """A moment from seconds since 1970, aware, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
