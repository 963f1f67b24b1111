"""failure.json: why a video is `failed`, stored beside its manifests, so that the status can be rebuilt from storage.

It is written from the rows, after the projection's transaction. If the write is lost, the next one or `reconcile`
repairs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from video_assets.artifacts.pointer import Garbage
from video_assets.database.engine import Database
from video_assets.projection.apply import blamed_attempts
from video_assets.projection.events import RunChanged
from video_assets.projection.state import Attempt
from video_assets.storage import NotFound, Storage
from video_assets.videos import RunState, Stage, video_prefix


class FailedAttempt(BaseModel):
    """An attempt that the failure follows from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    fence: str
    state: RunState
    at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    stages: tuple[Stage, ...] = ()
    reason: str = ""
    error_kind: str = ""
    error_stage: Stage | None = None
    error: str = ""


class FailureRecord(BaseModel):
    """The attempts that made the video `failed`: one, or several in a row that lost their worker."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    video_id: int
    attempts: tuple[FailedAttempt, ...]

    @classmethod
    def of(cls, video_id: int, attempts: Sequence[Attempt]) -> FailureRecord:
        """The record of these attempts; those that have not ended are left out."""
        return cls(
            video_id=video_id,
            attempts=tuple(
                FailedAttempt(
                    run_id=attempt.run_id,
                    fence=attempt.fence,
                    state=attempt.state,
                    at=attempt.finished_at,
                    queued_at=attempt.queued_at,
                    started_at=attempt.started_at,
                    stages=attempt.stages,
                    reason=attempt.reason,
                    error_kind=attempt.error_kind,
                    error_stage=attempt.error_stage,
                    error=attempt.error,
                )
                for attempt in attempts
                if attempt.finished_at is not None
            ),
        )

    def events(self) -> list[RunChanged]:
        """The events from which the projection derives the same status again."""
        return [event for attempt in self.attempts for event in self._events(attempt)]

    def _events(self, attempt: FailedAttempt) -> Iterator[RunChanged]:
        def changed(state: RunState, at: datetime) -> RunChanged:
            return RunChanged(
                video_ids=(self.video_id,),
                run_id=attempt.run_id,
                fence=attempt.fence,
                state=state,
                at=at,
                stages=attempt.stages,
                reason=attempt.reason,
                error_kind=attempt.error_kind,
                error_stage=attempt.error_stage,
                error=attempt.error,
            )

        if attempt.queued_at is not None:
            yield changed(RunState.QUEUED, attempt.queued_at)
        if attempt.started_at is not None:
            yield changed(RunState.STARTED, attempt.started_at)
        yield changed(attempt.state, attempt.at)


def mirror_failures(storage: Storage, database: Database, video_ids: Iterable[int]) -> None:
    """Writes failure.json for those of these videos that are `failed`, and removes it for the others."""
    with database.read() as session:
        blamed = blamed_attempts(session, list(video_ids))
    for video_id, attempts in blamed.items():
        key = failure_key(video_id)
        if attempts:
            data = (FailureRecord.of(video_id, attempts).model_dump_json(indent=1) + "\n").encode()
            storage.put_bytes(key, data, content_type="application/json")
        elif storage.stat(key) is not None:
            storage.delete(key)


def read_failure(storage: Storage, video_id: int) -> FailureRecord | None:
    """The record; None where the video has not failed. Raises Garbage where it cannot be read."""
    try:
        record = FailureRecord.model_validate_json(storage.get_bytes(failure_key(video_id)))
    except NotFound:
        return None
    except ValidationError as error:
        raise Garbage(
            f"{failure_key(video_id)} is no record of this release: {error.error_count()} fields differ"
        ) from None
    if record.video_id != video_id:
        raise Garbage(f"{failure_key(video_id)} is another video's")
    return record


def failure_key(video_id: int) -> str:
    """`videos/{id}/failure.json`."""
    return f"{video_prefix(video_id)}failure.json"
