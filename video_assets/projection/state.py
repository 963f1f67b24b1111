"""The state of a video in the projection, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from video_assets.outbox.messages import OutboxEvent
from video_assets.projection.events import ArtifactResult
from video_assets.videos import RunState, Stage, VideoStatus


@dataclass(frozen=True)
class Current:
    """The current artifact of a stage: one row of the ledger."""

    stage: Stage
    run_id: str
    fence: str
    fingerprint: str
    content_hash: str
    manifest_key: str
    made_at: datetime
    first_made_at: datetime
    """When the video first had an artifact of this stage."""
    first_fence: str = ""
    """The fence of the earliest run that made one; this artifact's own fence where the earliest is not known."""
    code_version: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    cost: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The manifest's facts for `uploads`; empty for other stages."""
    result: ArtifactResult | None = field(default=None, compare=False)
    """None in a state that was loaded from rows: the result is in the tables already."""

    @property
    def precedence(self) -> tuple[str, str, datetime, str]:
        """The sort key of artifacts: the highest is current, whatever the order of events."""
        return (self.fence, self.fingerprint, self.made_at, self.manifest_key)


@dataclass(frozen=True)
class Attempt:
    """How one run went for one video."""

    run_id: str
    fence: str
    state: RunState
    reason: str = ""
    stages: tuple[Stage, ...] = ()
    error_kind: str = ""
    error_stage: Stage | None = None
    error: str = ""
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Adopted:
    """The times of a video that was adopted from the services before as `ready`."""

    processed_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class VideoState:
    """Everything that a video's status and results follow from."""

    video_id: int
    created_at: datetime
    uploading: bool = False
    """The row exists, but the file is not in storage yet."""
    adopted: Adopted | None = None
    """Set where the services before made the video `ready`; it stays ready whatever happens here."""
    ledger: Mapping[Stage, Current] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    """By run id."""
    announced: Mapping[UUID, OutboxEvent] = field(default_factory=dict)
    """By outbox id: messages about artifacts whose events came since the state was loaded."""


@dataclass(frozen=True)
class Settled:
    """What follows from a state: the columns that the projection owns, and the outcome messages."""

    status: VideoStatus
    status_message: str | None
    processed_at: datetime | None
    updated_at: datetime
    numbers: Mapping[str, int]
    """Run id → the number under which the attempt is shown."""
    outcomes: Mapping[UUID, OutboxEvent]
    """By outbox id: video.ready and video.failed, as they should be in the outbox now."""
