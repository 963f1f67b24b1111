"""The shell around the projection: loads states, folds events in, writes what changed, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video_assets.database import publishing
from video_assets.database.engine import Database
from video_assets.database.models import (
    ArtifactRow,
    AttemptRow,
    DeletedVideoRow,
    OutboxOrderRow,
    OutboxRow,
    SummaryRow,
    TranscriptRow,
    UnappliedRow,
    VariantRow,
    VideoRow,
)
from video_assets.events.payloads import OutboxEvent
from video_assets.lifecycle.events import (
    Event,
    Made,
    RunChanged,
    RunState,
    SummaryResult,
    TranscriptResult,
    Unusable,
    VariantsResult,
)
from video_assets.lifecycle.projection import OutboxChange, Told, fold, outbox_change, settle
from video_assets.lifecycle.state import Attempt, Current, Settled, VideoState
from video_assets.settings import Settings
from video_assets.videos import Stage, VideoStatus, utc_now

VIDEOS_AT_ONCE = 500
"""Videos in one transaction: enough to be quick, few enough that others get their turn to write."""


@dataclass(frozen=True)
class Applied:
    """What came of some events."""

    events: int
    touched: tuple[int, ...]
    """Videos they were about, rising."""
    unapplied: int


def apply(
    database: Database, events: Sequence[tuple[int, Event]], settings: Settings, *, announce: bool = True
) -> Applied:
    """Applies (storage id, event)s. Doing it again, in other portions or another order, changes nothing
    more. `announce` False leaves the outbox alone, for rebuilding."""
    per_video: dict[int, list[tuple[int, Made | RunChanged]]] = defaultdict(list)
    homeless: list[tuple[int, Unusable]] = []
    for storage_id, event in events:
        if isinstance(event, Unusable):
            homeless.append((storage_id, event))
            continue
        for video_id in event.video_ids if isinstance(event, RunChanged) else (event.video_id,):
            per_video[video_id].append((storage_id, event))
    ids = sorted(per_video)
    for start in range(0, len(ids), VIDEOS_AT_ONCE):
        chunk = ids[start : start + VIDEOS_AT_ONCE]
        with database.write() as session:
            homeless += _apply_chunk(session, {each: per_video[each] for each in chunk}, settings, announce)
    _note_unapplied(database, homeless)
    return Applied(len(events), tuple(ids), len(homeless))


def blamed_attempts(session: Session, video_ids: Sequence[int]) -> dict[int, Attempt | None]:
    """For each of these videos, the attempt to blame for its `failed`; None where it stands elsewhere."""
    blamed: dict[int, Attempt | None] = {}
    for start in range(0, len(video_ids), VIDEOS_AT_ONCE):
        chunk = list(video_ids[start : start + VIDEOS_AT_ONCE])
        found = session.execute(select(VideoRow.id, VideoRow.status).where(VideoRow.id.in_(chunk))).all()
        blamed |= {video_id: None for video_id, status in found if status != VideoStatus.FAILED.value}
        failed = [video_id for video_id, status in found if status == VideoStatus.FAILED.value]
        chosen = select(AttemptRow).where(AttemptRow.video_id.in_(failed)).order_by(AttemptRow.fence, AttemptRow.run_id)
        for row in session.scalars(chosen):
            attempt = _attempt(row)
            if attempt.state.ended:
                blamed[row.video_id] = attempt
    return blamed


def load_states(session: Session, video_ids: Sequence[int]) -> dict[int, VideoState]:
    """What the tables say of these videos, locked against other projections until the transaction ends."""
    rows = session.scalars(
        select(VideoRow).where(VideoRow.id.in_(video_ids)).order_by(VideoRow.id).with_for_update()
    ).all()
    ledgers: dict[int, dict[Stage, Current]] = defaultdict(dict)
    for artifact in session.scalars(select(ArtifactRow).where(ArtifactRow.video_id.in_(video_ids))):
        ledgers[artifact.video_id][Stage(artifact.artefact)] = _current(artifact)
    attempts: dict[int, dict[str, Attempt]] = defaultdict(dict)
    for attempt in session.scalars(select(AttemptRow).where(AttemptRow.video_id.in_(video_ids))):
        attempts[attempt.video_id][attempt.run_id] = _attempt(attempt)
    return {
        row.id: VideoState(
            row.id,
            row.created_at,
            uploading=row.status == VideoStatus.UPLOADING.value,
            ledger=ledgers[row.id],
            attempts=attempts[row.id],
        )
        for row in rows
    }


def _apply_chunk(
    session: Session, per_video: dict[int, list[tuple[int, Made | RunChanged]]], settings: Settings, announce: bool
) -> list[tuple[int, Unusable]]:
    before = load_states(session, list(per_video))
    unknown = [video_id for video_id in per_video if video_id not in before]
    chosen = select(DeletedVideoRow.video_id).where(DeletedVideoRow.video_id.in_(unknown))
    deleted = set(session.scalars(chosen)) if unknown else set()
    homeless: list[tuple[int, Unusable]] = []
    after: dict[int, VideoState] = {}
    for video_id, events in per_video.items():
        if video_id in before:
            state = before[video_id]
            for _, event in events:
                state = fold(state, event)
            after[video_id] = state
        elif video_id not in deleted:
            homeless += [(storage_id, _of_no_video(video_id, event)) for storage_id, event in events]
    _save(session, before, after, settings, announce)
    return homeless


def _of_no_video(video_id: int, event: Made | RunChanged) -> Unusable:
    kind = f"{event.artefact.value} materialized" if isinstance(event, Made) else f"run {event.state.value}"
    return Unusable(kind, str(video_id), f"there is no video {video_id}", {"run": event.run_id})


def _save(
    session: Session,
    before: dict[int, VideoState],
    after: dict[int, VideoState],
    settings: Settings,
    announce: bool,
) -> None:
    told = _told(session, list(after)) if announce else {}
    additions: list[OutboxEvent] = []
    for video_id, state in after.items():
        settled = settle(state, max_lost_workers=settings.max_lost_workers)
        _save_video(session, video_id, settled)
        _save_attempts(session, before[video_id], state, settled)
        _save_ledger(session, before[video_id], state)
        if announce:
            change = outbox_change(told.get(video_id, ()), state, settled)
            _save_outcomes(session, change)
            additions += change.add
    session.flush()
    publishing.add_events(session, additions, service=settings.outbox_service)


def _save_video(session: Session, video_id: int, settled: Settled) -> None:
    row = session.get_one(VideoRow, video_id)
    row.status, row.status_message = settled.status.value, settled.status_message
    row.processed_at, row.updated_at = settled.processed_at, settled.updated_at


def _save_attempts(session: Session, before: VideoState, after: VideoState, settled: Settled) -> None:
    if after.attempts == before.attempts:
        return
    for run_id, attempt in after.attempts.items():
        stage = attempt.error_stage
        session.merge(
            AttemptRow(
                video_id=after.video_id,
                run_id=run_id,
                fence=attempt.fence,
                number=settled.numbers[run_id],
                reason=attempt.reason,
                stages=[each.value for each in attempt.stages],
                state=attempt.state.value,
                error_kind=attempt.error_kind,
                error_stage=stage.value if stage else None,
                error=attempt.error,
                queued_at=attempt.queued_at,
                started_at=attempt.started_at,
                finished_at=attempt.finished_at,
            )
        )


def _save_ledger(session: Session, before: VideoState, after: VideoState) -> None:
    for stage, current in after.ledger.items():
        known = before.ledger.get(stage)
        if known == current:
            continue
        session.merge(
            ArtifactRow(
                video_id=after.video_id,
                artefact=stage.value,
                fingerprint=current.fingerprint,
                content_hash=current.content_hash,
                manifest_key=current.manifest_key,
                run_id=current.run_id,
                fence=current.fence,
                made_at=current.made_at,
                first_made_at=current.first_made_at,
                code_version=current.code_version,
                inputs=dict(current.inputs),
                params=dict(current.params),
                bytes=current.bytes,
                cost=dict(current.cost),
            )
        )
        _save_result(session, after.video_id, current)


def _save_result(session: Session, video_id: int, current: Current) -> None:
    """The result tables follow the ledger. Without a result only the time of the first making can be new."""
    match current.result:
        case VariantsResult(variants=variants):
            session.execute(delete(VariantRow).where(VariantRow.video_id == video_id))
            session.add_all(
                VariantRow(video_id=video_id, quality=quality, key=key, created_at=current.made_at)
                for quality, key, _ in variants
            )
        case TranscriptResult() as found:
            transcript = session.scalar(select(TranscriptRow).where(TranscriptRow.video_id == video_id))
            if transcript is None:
                transcript = TranscriptRow(video_id=video_id)
                session.add(transcript)
            transcript.transcript_text, transcript.transcript_path = found.text, found.path
            transcript.status, transcript.duration_seconds = "completed", round(found.duration_seconds)
            transcript.model_info = dict(found.model_info)
            transcript.created_at, transcript.updated_at = current.first_made_at, current.made_at
        case SummaryResult() as found:
            summary = session.scalar(select(SummaryRow).where(SummaryRow.video_id == video_id))
            if summary is None:
                summary = SummaryRow(video_id=video_id)
                session.add(summary)
            summary.summary_text, summary.summary_path = found.text, found.path
            summary.model_info, summary.quality_score = dict(found.model_info), found.quality_score
            summary.created_at, summary.updated_at = current.first_made_at, current.made_at
        case None:
            _save_first_made(session, video_id, current.artefact, current.first_made_at)


def _save_first_made(session: Session, video_id: int, stage: Stage, moment: datetime) -> None:
    row: TranscriptRow | SummaryRow | None = None
    if stage is Stage.TRANSCRIPTS:
        row = session.scalar(select(TranscriptRow).where(TranscriptRow.video_id == video_id))
    elif stage is Stage.SUMMARIES:
        row = session.scalar(select(SummaryRow).where(SummaryRow.video_id == video_id))
    if row is not None:
        row.created_at = moment


def _told(session: Session, video_ids: Sequence[int]) -> dict[int, list[Told]]:
    chosen = (
        select(OutboxRow, OutboxOrderRow.video_id)
        .join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxOrderRow.video_id.in_(video_ids))
    )
    told: dict[int, list[Told]] = defaultdict(list)
    for row, video_id in session.execute(chosen):
        event = OutboxEvent(row.id, row.topic, video_id, row.payload, row.created_at)
        told[video_id].append(Told(event, row.published))
    return told


def _save_outcomes(session: Session, change: OutboxChange) -> None:
    if change.withdraw:
        session.execute(delete(OutboxRow).where(OutboxRow.id.in_(change.withdraw)))
    for event in change.update:
        row = session.get_one(OutboxRow, event.id)
        row.payload, row.created_at = dict(event.payload), event.created_at


def _note_unapplied(database: Database, homeless: Iterable[tuple[int, Unusable]]) -> None:
    noted = {storage_id: event for storage_id, event in homeless if storage_id > 0}
    if not noted:
        return
    now = utc_now()
    with database.write() as session:
        for storage_id, event in sorted(noted.items()):
            if session.get(UnappliedRow, storage_id) is None:
                session.add(
                    UnappliedRow(
                        storage_id=storage_id,
                        kind=event.kind,
                        partition=event.partition,
                        reason=event.reason,
                        payload=dict(event.payload),
                        at=now,
                    )
                )


def _current(row: ArtifactRow) -> Current:
    return Current(
        artefact=Stage(row.artefact), run_id=row.run_id, fence=row.fence, fingerprint=row.fingerprint,
        content_hash=row.content_hash, manifest_key=row.manifest_key, made_at=row.made_at,
        first_made_at=row.first_made_at, code_version=row.code_version, inputs=row.inputs, params=row.params,
        bytes=row.bytes, cost=row.cost,
    )  # fmt: skip


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        run_id=row.run_id, fence=row.fence, state=RunState(row.state), reason=row.reason,
        stages=tuple(Stage(each) for each in row.stages), error_kind=row.error_kind,
        error_stage=Stage(row.error_stage) if row.error_stage else None, error=row.error,
        queued_at=row.queued_at, started_at=row.started_at, finished_at=row.finished_at,
    )  # fmt: skip
