"""All that a video's status and results follow from: what was made, and how its runs went."""

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
    """The making of an artifact that is current: one row of the ledger."""

    artefact: Stage
    run_id: str
    fence: str
    fingerprint: str
    content_hash: str
    manifest_key: str
    made_at: datetime
    first_made_at: datetime
    """When the artifact was first current, in whatever making."""
    first_fence: str = ""
    """The fence of the earliest run that made it; where nobody noted it, that of this making."""
    code_version: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    cost: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of `uploads`; empty of the others."""
    result: ArtifactResult | None = field(default=None, compare=False)
    """None also where the row was loaded: its result stands in the tables already."""

    @property
    def precedence(self) -> tuple[str, str, datetime, str]:
        """The higher one is current, whichever was heard of first."""
        return (self.fence, self.fingerprint, self.made_at, self.manifest_key)


@dataclass(frozen=True)
class Attempt:
    """One run's story for one video."""

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
    """When a video was ready that was taken over so from the services before."""

    processed_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class VideoState:
    """A video as the projection sees it."""

    video_id: int
    created_at: datetime
    uploading: bool = False
    """Intake has the row but not yet the file."""
    adopted: Adopted | None = None
    """It was ready before this system knew it, with nothing of ours; nothing takes it out of that."""
    ledger: Mapping[Stage, Current] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    """By run id."""
    announced: Mapping[UUID, OutboxEvent] = field(default_factory=dict)
    """Makings to tell of, by outbox id: those heard of since the state was loaded."""


@dataclass(frozen=True)
class Settled:
    """What follows from a state: the columns the projection owns, and the messages that hang on them."""

    status: VideoStatus
    status_message: str | None
    processed_at: datetime | None
    updated_at: datetime
    numbers: Mapping[str, int]
    """Run id → the attempt's number, a label."""
    outcomes: Mapping[UUID, OutboxEvent]
    """video.ready and video.failed, as they should stand now."""
