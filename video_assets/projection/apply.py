"""Applies events to the tables: loads the videos, folds the events, settles each video once, writes the differences.

One transaction covers up to 500 videos. Applying the same events again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.database.models import AttemptRow, DeletedVideoRow, UnappliedRow, VideoRow
from video_assets.database.upsert import upsert
from video_assets.outbox import rows as outbox
from video_assets.projection import store
from video_assets.projection.events import Event, Made, RunChanged, Unusable
from video_assets.projection.fold import blamed, fold, outbox_change, settle
from video_assets.projection.state import Attempt
from video_assets.projection.store import Change, Stored
from video_assets.settings import Settings
from video_assets.videos import VideoStatus

VIDEOS_PER_TRANSACTION = 500
NO_STORAGE_ID = 0
"""The storage id of an event that is in no event log, such as one made from a pointer. If it cannot be applied, no row
in `unapplied_events` is written for it."""


def apply(
    database: Database, events: Iterable[tuple[int, Event]], settings: Settings, *, announce: bool = True
) -> tuple[int, ...]:
    """Applies events, each with its storage id; returns the existing videos that they are about, changed or not.
    TransientError where the database is away: what was applied until then stays, and all of it can be applied again.
    Without `announce` messages are added to the outbox as already sent."""
    about: dict[int, list[tuple[int, Made | RunChanged]]] = {}
    unusable: list[tuple[int, Unusable]] = []
    for storage_id, event in events:
        if isinstance(event, Unusable):
            unusable.append((storage_id, event))
            continue
        for video_id in dict.fromkeys(_videos_of(event)):
            about.setdefault(video_id, []).append((storage_id, event))
    _note_unusable(database, unusable)
    touched: list[int] = []
    for chunk in _chunks(sorted(about), VIDEOS_PER_TRANSACTION):
        touched += _apply_chunk(database, {video_id: about[video_id] for video_id in chunk}, settings, announce)
    return tuple(touched)


def blamed_attempts(session: Session, video_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """For each of these videos the attempts that its status `failed` follows from, in order: one attempt, or several in
    a row that lost their worker. An empty list where the video has not failed."""
    ended: dict[int, list[Attempt]] = {video_id: [] for video_id in video_ids}
    for chunk in _chunks(video_ids, VIDEOS_PER_TRANSACTION):
        failed = select(VideoRow.id).where(VideoRow.id.in_(chunk), VideoRow.status == VideoStatus.FAILED.value)
        query = select(AttemptRow).where(AttemptRow.video_id.in_(failed), AttemptRow.finished_at.is_not(None))
        for row in session.scalars(query):
            ended[row.video_id].append(store.attempt_of(row))
    return {video_id: blamed(attempts) for video_id, attempts in ended.items()}


_About = Mapping[int, Sequence[tuple[int, Made | RunChanged]]]


def _apply_chunk(database: Database, about: _About, settings: Settings, announce: bool) -> list[int]:
    """Applies events by video, in one transaction; returns the videos that exist."""
    with database.write() as session:
        stored = store.load(session, list(about), lock=True)
        missing = [video_id for video_id in about if video_id not in stored]
        deleted = set(session.scalars(select(DeletedVideoRow.video_id).where(DeletedVideoRow.video_id.in_(missing))))
        unknown = [video_id for video_id in missing if video_id not in deleted]
        _note(session, [_unknown(i, event, v) for v in unknown for i, event in about[v]])
        outcomes = outbox.stored_outcomes(session, list(stored))
        changes = [_change(before, [event for _, event in about[v]], settings) for v, before in stored.items()]
        store.save(session, changes)
        messages = [outbox_change(outcomes[c.state.video_id], c.state, c.settled) for c in changes]
        outbox.withdraw(session, [i for message in messages for i in message.withdraw])
        outbox.replace(session, [event for message in messages for event in message.update])
        outbox.add(
            session,
            [event for message in messages for event in message.add],
            service=settings.outbox_service,
            published=not announce,
        )
        _forget(session, [i for video_id in stored for i, _ in about[video_id]])
    return list(stored)


def _change(before: Stored, events: Iterable[Made | RunChanged], settings: Settings) -> Change:
    state = before.state
    for event in events:
        state = fold(state, event)
    return Change(before, state, settle(state, max_lost_workers=settings.max_lost_workers))


def _videos_of(event: Made | RunChanged) -> tuple[int, ...]:
    return (event.video_id,) if isinstance(event, Made) else event.video_ids


def _note_unusable(database: Database, unusable: Sequence[tuple[int, Unusable]]) -> None:
    if unusable:
        now = utc_now()  # such an event has no time of its own
        with database.write() as session:
            _note(session, [_noted(i, e.kind, e.partition, e.reason, e.payload, now) for i, e in unusable])


def _unknown(storage_id: int, event: Made | RunChanged, video_id: int) -> dict[str, Any]:
    reason = f"there is no video {video_id}, and none of that id was deleted"
    if isinstance(event, Made):
        payload = {"run": event.run_id, "manifest": event.manifest_key}
        return _noted(storage_id, f"{event.stage.value} materialized", str(video_id), reason, payload, event.made_at)
    return _noted(storage_id, f"run {event.state.value}", str(video_id), reason, {"run": event.run_id}, event.at)


def _noted(
    storage_id: int, kind: str, partition: str | None, reason: str, payload: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    return {
        "storage_id": storage_id,
        "kind": kind,
        "partition": partition,
        "reason": reason,
        "payload": dict(payload),
        "at": at,
    }


def _note(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    once = {row["storage_id"]: row for row in rows if row["storage_id"] != NO_STORAGE_ID}
    known = set(session.scalars(select(UnappliedRow.storage_id).where(UnappliedRow.storage_id.in_(list(once)))))
    upsert(session, UnappliedRow, ("storage_id",), [row for i, row in once.items() if i not in known])


def _forget(session: Session, storage_ids: Iterable[int]) -> None:
    """Removes events from `unapplied_events` that could be applied now, because their video exists by now."""
    ids = {i for i in storage_ids if i != NO_STORAGE_ID}
    if ids and session.scalar(select(UnappliedRow.storage_id).limit(1)) is not None:
        session.execute(delete(UnappliedRow).where(UnappliedRow.storage_id.in_(ids)))


def _chunks(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
