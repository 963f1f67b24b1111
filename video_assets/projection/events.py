"""The events that the projection takes: an artifact was made, a run changed, an event is unusable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from video_assets.videos import RunState, Stage


@dataclass(frozen=True)
class VariantsResult:
    """The columns of `video_variants`."""

    variants: tuple[tuple[str, str, int], ...]
    """(quality such as `720p`, storage key, bytes)."""


@dataclass(frozen=True)
class TranscriptResult:
    """The columns of `video_transcripts`, and the number of segments for the message."""

    text: str
    path: str
    """Storage key of transcript.json."""
    duration_seconds: float
    model_info: Mapping[str, Any]
    segments: int


@dataclass(frozen=True)
class SummaryResult:
    """The columns of `video_summaries`."""

    text: str
    path: str
    """Storage key of summary.json."""
    model_info: Mapping[str, Any]
    quality_score: float | None


ArtifactResult = VariantsResult | TranscriptResult | SummaryResult


@dataclass(frozen=True)
class Made:
    """An artifact was made, or a later run reused it. Run, fence and `made_at` are the manifest's: always those of the
    run that made it."""

    video_id: int
    stage: Stage
    run_id: str
    fence: str
    fingerprint: str
    content_hash: str
    manifest_key: str
    made_at: datetime
    bytes: int = 0
    cost: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The manifest's facts for `uploads`, because the `wanted` of other stages reads them; empty for other stages."""
    result: ArtifactResult | None = None
    """For variants, transcripts and summaries; None for other stages."""
    first_made_at: datetime | None = None
    """When the video first had this artifact, where the source of the event knows it (a pointer does)."""
    first_fence: str = ""
    """The fence of the earliest run that made it, where the source of the event knows it."""


@dataclass(frozen=True)
class RunChanged:
    """A run of one or several videos changed its state."""

    video_ids: tuple[int, ...]
    run_id: str
    fence: str
    state: RunState
    at: datetime
    stages: tuple[Stage, ...] = ()
    """The stages that the run was asked to make."""
    reason: str = ""
    """Why the run was started, such as `upload`, `relaunch`, `backfill`, `manual`."""
    error_kind: str = ""
    """`permanent`, `transient`, `unknown`, or one of `EndCause`."""
    error_stage: Stage | None = None
    error: str = ""
    """One line: what is wrong and what to do."""


@dataclass(frozen=True)
class Unusable:
    """An event in the log that cannot be applied, and why: it has no partition, say, or a key that is no video id."""

    kind: str
    partition: str | None
    reason: str
    payload: Mapping[str, Any] = field(default_factory=dict)


Event = Made | RunChanged | Unusable
