"""failure.json: why a video stands at `failed`, beside its manifests, so that the row can be rebuilt.

Written from the row after the projection's transaction, by whoever ran it; a lost write is put right by
the next one, or by `reconcile`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from video_assets.database.engine import Database
from video_assets.database.projected import blamed_attempts
from video_assets.lifecycle.events import RunChanged, RunState
from video_assets.lifecycle.state import Attempt
from video_assets.storage import NotFound, Storage
from video_assets.videos import Stage, video_prefix


class FailureRecord(BaseModel):
    """The attempt that is to blame."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    video_id: int
    run_id: str
    fence: str
    state: RunState
    at: datetime
    stages: tuple[Stage, ...] = ()
    reason: str = ""
    error_kind: str = ""
    error_stage: Stage | None = None
    error: str = ""

    @classmethod
    def of(cls, video_id: int, attempt: Attempt, at: datetime) -> FailureRecord:
        """The record of a failed attempt that ended `at`."""
        return cls(
            video_id=video_id, run_id=attempt.run_id, fence=attempt.fence, state=attempt.state, at=at,
            stages=attempt.stages, reason=attempt.reason, error_kind=attempt.error_kind,
            error_stage=attempt.error_stage, error=attempt.error,
        )  # fmt: skip

    def event(self) -> RunChanged:
        """The event that would bring the row where it stood."""
        return RunChanged(
            video_ids=(self.video_id,), run_id=self.run_id, fence=self.fence, state=self.state, at=self.at,
            stages=self.stages, reason=self.reason, error_kind=self.error_kind, error_stage=self.error_stage,
            error=self.error,
        )  # fmt: skip


def mirror_failures(storage: Storage, database: Database, video_ids: Iterable[int]) -> None:
    """Brings failure.json of these videos in step with their rows: there where failed, gone elsewhere."""
    with database.read() as session:
        blamed = blamed_attempts(session, list(video_ids))
    for video_id, attempt in blamed.items():
        key = _key(video_id)
        if attempt is not None and attempt.finished_at is not None:
            record = FailureRecord.of(video_id, attempt, attempt.finished_at)
            storage.put_bytes(key, (record.model_dump_json(indent=1) + "\n").encode(), content_type="application/json")
        elif storage.stat(key) is not None:
            storage.delete(key)


def read_failure(storage: Storage, video_id: int) -> FailureRecord | None:
    """The record, None where the video has not failed."""
    try:
        return FailureRecord.model_validate_json(storage.get_bytes(_key(video_id)))
    except NotFound:
        return None


def _key(video_id: int) -> str:
    return f"{video_prefix(video_id)}failure.json"
