"""What can happen to a video, in the words the projection understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from video_assets.videos import RunState, Stage


@dataclass(frozen=True)
class VariantsResult:
    """What the tables need of `variants`."""

    variants: tuple[tuple[str, str, int], ...]
    """(quality such as `720p`, storage key, bytes)."""


@dataclass(frozen=True)
class TranscriptResult:
    """What the tables need of `transcripts`."""

    text: str
    path: str
    """Storage key of transcript.json."""
    duration_seconds: float
    model_info: Mapping[str, Any]
    segments: int


@dataclass(frozen=True)
class SummaryResult:
    """What the tables need of `summaries`."""

    text: str
    path: str
    """Storage key of summary.json."""
    model_info: Mapping[str, Any]
    quality_score: float | None


ArtifactResult = VariantsResult | TranscriptResult | SummaryResult


@dataclass(frozen=True)
class Made:
    """An artifact was made, or found fresh (`reused`). Run, fence and `made_at` are the manifest's own, so
    those of the run that made it, also when a later run reused it."""

    video_id: int
    artefact: Stage
    run_id: str
    fence: str
    fingerprint: str
    content_hash: str
    manifest_key: str
    made_at: datetime
    reused: bool = False
    bytes: int = 0
    cost: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of `uploads`, as the other stages are decided by it; empty of the others."""
    result: ArtifactResult | None = None
    """Of variants, transcripts and summaries; None for the others."""
    first_made_at: datetime | None = None
    """When this artifact was first current, where the teller knows (a pointer does)."""
    first_fence: str = ""
    """The fence of the earliest run that made it, where the teller knows."""


@dataclass(frozen=True)
class RunChanged:
    """A run over some videos changed its state."""

    video_ids: tuple[int, ...]
    run_id: str
    fence: str
    state: RunState
    at: datetime
    stages: tuple[Stage, ...] = ()
    """What the run was asked to make."""
    reason: str = ""
    """Why there is a run: `upload`, `retry`, `backfill`, `manual`."""
    error_kind: str = ""
    """`permanent`, `transient`, `unknown`, or one of `EndCause`."""
    error_stage: Stage | None = None
    error: str = ""
    """One line: what is wrong and what to do."""


@dataclass(frozen=True)
class Unusable:
    """Something in the event log that is about no video: no partition, or a key that is no id."""

    kind: str
    partition: str | None
    reason: str
    payload: Mapping[str, Any] = field(default_factory=dict)


Event = Made | RunChanged | Unusable
