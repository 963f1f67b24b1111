"""Reads a video's state from rows, and writes back what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, select, text, update
from sqlalchemy.orm import DeclarativeBase, Session

from video_assets.database.models import (
    AdoptedVideoRow,
    ArtifactRow,
    AttemptRow,
    SummaryRow,
    TranscriptRow,
    VariantRow,
    VideoRow,
)
from video_assets.database.upsert import insert_all, table_of, update_all, upsert
from video_assets.projection.events import SummaryResult, TranscriptResult, VariantsResult
from video_assets.projection.state import Adopted, Attempt, Current, Settled, VideoState
from video_assets.videos import RunState, Stage, VideoStatus

TRANSCRIBED = "completed"
"""The value of `video_transcripts.status`; the table has rows of finished transcripts only."""


_RESULT_TABLES: Mapping[Stage, type[DeclarativeBase]] = {
    Stage.VARIANTS: VariantRow,
    Stage.TRANSCRIPTS: TranscriptRow,
    Stage.SUMMARIES: SummaryRow,
}


@dataclass(frozen=True)
class Stored:
    """A video in the tables: its state, and the columns that were derived from it."""

    state: VideoState
    status: VideoStatus
    status_message: str | None
    processed_at: datetime | None
    updated_at: datetime
    numbers: dict[str, int]


@dataclass(frozen=True)
class Change:
    """A video before and after some events."""

    before: Stored
    state: VideoState
    settled: Settled


def load(session: Session, video_ids: Sequence[int], *, lock: bool = False) -> dict[int, Stored]:
    """The existing videos among these. `lock` keeps other transactions from changing them until this one ends; locks
    are taken in the order of ids, so that two projectors never deadlock."""
    query = select(VideoRow).where(VideoRow.id.in_(video_ids)).order_by(VideoRow.id)
    rows = session.scalars(query.with_for_update() if lock else query).all()
    there = [row.id for row in rows]
    ledgers: dict[int, dict[Stage, Current]] = {video_id: {} for video_id in there}
    attempts: dict[int, dict[str, Attempt]] = {video_id: {} for video_id in there}
    numbers: dict[int, dict[str, int]] = {video_id: {} for video_id in there}
    for made in session.execute(select(table_of(ArtifactRow)).where(ArtifactRow.video_id.in_(there))):
        ledgers[made.video_id][Stage(made.artefact)] = current_of(made)
    for tried in session.execute(select(table_of(AttemptRow)).where(AttemptRow.video_id.in_(there))):
        attempts[tried.video_id][tried.run_id] = attempt_of(tried)
        numbers[tried.video_id][tried.run_id] = tried.number
    adopted = _adopted(session, there)
    return {
        row.id: Stored(
            VideoState(
                row.id,
                row.created_at,
                uploading=row.status == VideoStatus.UPLOADING.value,
                adopted=adopted.get(row.id),
                ledger=ledgers[row.id],
                attempts=attempts[row.id],
            ),
            VideoStatus(row.status),
            row.status_message,
            row.processed_at,
            row.updated_at,
            numbers[row.id],
        )
        for row in rows
    }


def _adopted(session: Session, video_ids: Sequence[int]) -> dict[int, Adopted]:
    query = select(AdoptedVideoRow).where(
        AdoptedVideoRow.video_id.in_(video_ids), AdoptedVideoRow.status == VideoStatus.READY.value
    )
    return {
        row.video_id: Adopted(row.processed_at, row.updated_at or row.processed_at)
        for row in session.scalars(query)
        if row.processed_at is not None
    }


def current_of(row: ArtifactRow | Row[Any]) -> Current:
    """The current artifact that a row of the ledger describes."""
    return Current(
        stage=Stage(row.artefact),
        run_id=row.run_id,
        fence=row.fence,
        fingerprint=row.fingerprint,
        content_hash=row.content_hash,
        manifest_key=row.manifest_key,
        made_at=row.made_at,
        first_made_at=row.first_made_at,
        first_fence=row.first_fence or row.fence,
        code_version=row.code_version,
        inputs=row.inputs,
        params=row.params,
        bytes=row.bytes,
        cost=row.cost,
        facts=row.facts or {},
    )


def attempt_of(row: AttemptRow | Row[Any]) -> Attempt:
    """The attempt that a row describes."""
    return Attempt(
        run_id=row.run_id,
        fence=row.fence,
        state=RunState(row.state),
        reason=row.reason,
        stages=tuple(Stage(stage) for stage in row.stages),
        error_kind=row.error_kind,
        error_stage=Stage(row.error_stage) if row.error_stage else None,
        error=row.error,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def save(session: Session, changes: Sequence[Change]) -> None:
    """Writes the rows that differ, and no others."""
    update_all(session, VideoRow, "id", [row for change in changes if (row := _video_row(change))])
    upsert(session, AttemptRow, ("video_id", "run_id"), [row for change in changes for row in _attempt_rows(change)])
    changed = [(change, made) for change in changes for made in _changed_artifacts(change)]
    upsert(session, ArtifactRow, ("video_id", "artefact"), [_ledger_row(c.state.video_id, made) for c, made in changed])
    for change, made in changed:
        known = change.before.state.ledger.get(made.stage)
        if known is not None and known.precedence == made.precedence:
            _antedate(session, change.state.video_id, made)
    _save_results(session, [(change.state.video_id, made) for change, made in changed])


def _video_row(change: Change) -> dict[str, Any] | None:
    before, now = change.before, change.settled
    if (before.status, before.status_message, before.processed_at, before.updated_at) == (
        now.status,
        now.status_message,
        now.processed_at,
        now.updated_at,
    ):
        return None
    return {
        "id": change.state.video_id,
        "status": now.status.value,
        "status_message": now.status_message,
        "processed_at": now.processed_at,
        "updated_at": now.updated_at,
    }


def _attempt_rows(change: Change) -> list[dict[str, Any]]:
    before, numbers = change.before, change.settled.numbers
    return [
        {
            "video_id": change.state.video_id,
            "run_id": run_id,
            "fence": attempt.fence,
            "number": numbers[run_id],
            "reason": attempt.reason,
            "stages": [stage.value for stage in attempt.stages],
            "state": attempt.state.value,
            "error_kind": attempt.error_kind,
            "error_stage": attempt.error_stage.value if attempt.error_stage else None,
            "error": attempt.error,
            "queued_at": attempt.queued_at,
            "started_at": attempt.started_at,
            "finished_at": attempt.finished_at,
        }
        for run_id, attempt in change.state.attempts.items()
        if before.state.attempts.get(run_id) != attempt or before.numbers.get(run_id) != numbers[run_id]
    ]


def _changed_artifacts(change: Change) -> list[Current]:
    before = change.before.state.ledger
    return [made for stage, made in change.state.ledger.items() if before.get(stage) != made]


def _ledger_row(video_id: int, made: Current) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "artefact": made.stage.value,
        "fingerprint": made.fingerprint,
        "content_hash": made.content_hash,
        "manifest_key": made.manifest_key,
        "run_id": made.run_id,
        "fence": made.fence,
        "made_at": made.made_at,
        "first_made_at": made.first_made_at,
        "first_fence": made.first_fence,
        "code_version": made.code_version,
        "inputs": dict(made.inputs),
        "params": dict(made.params),
        "bytes": made.bytes,
        "cost": dict(made.cost),
        "facts": dict(made.facts),
    }


def without_facts(session: Session, limit: int) -> list[tuple[int, str]]:
    """(video id, manifest key) of `uploads` artifacts whose rows an older release wrote without facts."""
    return [(video_id, key) for video_id, key in session.execute(without_facts_query(limit))]


def without_facts_query(limit: int) -> Select[tuple[int, str]]:
    """The query of `without_facts`, which uses an index of just these rows."""
    # Literally as in the index: with bound values the database would not use it.
    missing = text("artefact = 'uploads' AND facts IS NULL")
    query = select(ArtifactRow.video_id, ArtifactRow.manifest_key).where(missing)
    return query.order_by(ArtifactRow.video_id).limit(limit)


def add_facts(session: Session, video_id: int, manifest_key: str, facts: Mapping[str, Any]) -> None:
    """Stores the facts of the `uploads` artifact of this manifest, if it is still current."""
    of_manifest = (ArtifactRow.video_id == video_id, ArtifactRow.manifest_key == manifest_key)
    session.execute(update(ArtifactRow).where(*of_manifest).values(facts=dict(facts)))


def _antedate(session: Session, video_id: int, made: Current) -> None:
    """Moves `created_at` of a result back: the same artifact is current, but the event of an earlier one came late."""
    model = _RESULT_TABLES.get(made.stage)
    if model is not None:
        update_all(session, model, "video_id", [{"video_id": video_id, "created_at": made.first_made_at}])


def _save_results(session: Session, changed: Sequence[tuple[int, Current]]) -> None:
    transcripts: list[dict[str, Any]] = []
    summaries: list[dict[str, Any]] = []
    variants: dict[int, list[dict[str, Any]]] = {}
    for video_id, made in changed:
        first, latest = made.first_made_at, made.made_at
        match made.result:
            case VariantsResult(variants=rungs):
                variants[video_id] = [
                    {"video_id": video_id, "quality": quality, "key": key, "created_at": first}
                    for quality, key, _ in rungs
                ]
            case TranscriptResult() as transcript:
                transcripts.append(
                    {
                        "video_id": video_id,
                        "transcript_text": transcript.text,
                        "transcript_path": transcript.path,
                        "status": TRANSCRIBED,
                        "duration_seconds": round(transcript.duration_seconds),
                        "model_info": dict(transcript.model_info),
                        "created_at": first,
                        "updated_at": latest,
                    }
                )
            case SummaryResult() as summary:
                summaries.append(
                    {
                        "video_id": video_id,
                        "summary_text": summary.text,
                        "summary_path": summary.path,
                        "model_info": dict(summary.model_info),
                        "quality_score": summary.quality_score,
                        "created_at": first,
                        "updated_at": latest,
                    }
                )
            case None:  # the stage has no result table, or the result is there already
                pass
    upsert(session, TranscriptRow, ("video_id",), transcripts)
    upsert(session, SummaryRow, ("video_id",), summaries)
    if variants:
        session.execute(delete(VariantRow).where(VariantRow.video_id.in_(list(variants))))
        insert_all(session, VariantRow, [row for rows in variants.values() for row in rows])
