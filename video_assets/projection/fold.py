"""The projection: from events to what a video is.

`fold` takes one event into a state; `settle` derives everything else from the state. Fold is a join: each
part of it takes a highest, a lowest or a union, so events that come late, doubled or in another order end in
the same state. Nothing is ever decided by which event came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from video_assets.artifacts.pointer import seconds_of
from video_assets.errors import one_line
from video_assets.outbox import messages
from video_assets.outbox.messages import OutboxEvent, StoredMessage
from video_assets.projection.events import Made, RunChanged, SummaryResult, TranscriptResult, VariantsResult
from video_assets.projection.state import Attempt, Current, Settled, VideoState
from video_assets.videos import (
    HANDED_BACK,
    LAUNCH_LOST,
    READY_WHEN_CURRENT,
    WORKER_LOST,
    RunState,
    Stage,
    VideoStatus,
)

LOST_CAUSES = frozenset({WORKER_LOST, LAUNCH_LOST})
"""A video whose run ended by one of these is launched again, until `max_lost_workers` of them came in a row."""

CANCELED = "canceled"

IN_BULK = "remake_light"
"""The reason of a run that makes some light artifacts of many videos anew. It is told among a video's attempts, but
says nothing of whether the video can be made: neither its going nor its end moves a status, and the reason why a video
has failed stays what it was."""


def fold(state: VideoState, event: Made | RunChanged) -> VideoState:
    """The state after this event too. Folding an event twice is folding it once."""
    return _fold_made(state, event) if isinstance(event, Made) else _fold_run(state, event)


def settle(state: VideoState, *, max_lost_workers: int) -> Settled:
    """What the state means. `max_lost_workers`: lost workers in a row that make a failure final."""
    processed_at = _processed_at(state)
    runs = sorted(state.attempts.values(), key=lambda attempt: (attempt.fence, attempt.run_id))
    own = [attempt for attempt in runs if attempt.reason != IN_BULK]
    final = _final_failures(own, max_lost_workers)
    status, to_blame = _status(state, own, final, ready=processed_at is not None)
    return Settled(
        status=status,
        status_message=_message(to_blame) if to_blame else None,
        processed_at=processed_at,
        updated_at=_updated_at(state, own, processed_at, to_blame),
        numbers={attempt.run_id: number for number, attempt in enumerate(runs, start=1)},
        # Of one that was adopted ready all was told before; there is no failure before it was ready either.
        outcomes=_outcomes(state, processed_at, final) if state.adopted is None else {},
    )


@dataclass(frozen=True)
class OutboxChange:
    """What has to happen to a video's messages."""

    add: tuple[OutboxEvent, ...]
    update: tuple[OutboxEvent, ...]
    withdraw: tuple[UUID, ...]


def outbox_change(stored: Iterable[StoredMessage], state: VideoState, settled: Settled) -> OutboxChange:
    """Makings are told once and stay told. Outcomes follow the state until published, then they stay too."""
    known = {told.event.id: told for told in stored}
    wanted = {**state.announced, **settled.outcomes}
    follows = {i: told for i, told in known.items() if told.event.topic in _OUTCOMES and not told.published}
    return OutboxChange(
        add=tuple(event for i, event in wanted.items() if i not in known),
        update=tuple(settled.outcomes[i] for i in follows if i in wanted and settled.outcomes[i] != follows[i].event),
        withdraw=tuple(i for i in follows if i not in wanted),
    )


_OUTCOMES = (messages.READY, messages.FAILED)


def _fold_made(state: VideoState, event: Made) -> VideoState:
    mine = Current(
        artefact=event.artefact,
        run_id=event.run_id,
        fence=event.fence,
        fingerprint=event.fingerprint,
        content_hash=event.content_hash,
        manifest_key=event.manifest_key,
        made_at=event.made_at,
        first_made_at=min(event.made_at, event.first_made_at or event.made_at),
        code_version=event.code_version,
        inputs=event.inputs,
        params=event.params,
        bytes=event.bytes,
        cost=event.cost,
        facts=event.facts,
        result=event.result,
        first_fence=min(event.fence, event.first_fence or event.fence),
    )
    known = state.ledger.get(event.artefact)
    if known is not None:
        first = min(mine.first_made_at, known.first_made_at)
        first_fence = min(mine.first_fence, known.first_fence or known.fence)
        newest = mine if mine.precedence > known.precedence else known
        mine = replace(newest, first_made_at=first, first_fence=first_fence)
    announced = state.announced
    told = announcement(event)
    if told is not None and told.id not in announced:
        announced = {**announced, told.id: told}
    return replace(state, ledger={**state.ledger, event.artefact: mine}, announced=announced)


def announcement(event: Made) -> OutboxEvent | None:
    """What other services hear of a making. One that was superseded before it was heard of is told too, and
    a reused one has the id of its making, so it tells only what had not been told."""
    making = (event.video_id, event.run_id, event.fingerprint)
    match event.result:
        case VariantsResult(variants=variants):
            return messages.transcoded(*making, variants=variants, at=event.made_at)
        case TranscriptResult(path=path, segments=segments):
            return messages.transcribed(*making, file_key=path, snippets=segments, at=event.made_at)
        case SummaryResult(path=path, text=text):
            return messages.summarized(*making, file_key=path, text=text, at=event.made_at)
        case None:
            return None


def _fold_run(state: VideoState, event: RunChanged) -> VideoState:
    heard = _heard(event)
    known = state.attempts.get(event.run_id)
    return replace(state, attempts={**state.attempts, event.run_id: _merge(known, heard) if known else heard})


def _heard(event: RunChanged) -> Attempt:
    ended = event.state.ended
    return Attempt(
        run_id=event.run_id,
        fence=event.fence,
        state=event.state,
        reason=event.reason,
        stages=_in_order(event.stages),
        error_kind=event.error_kind if ended else "",
        error_stage=event.error_stage if ended else None,
        error=one_line(event.error) if ended and event.error else "",
        queued_at=event.at if event.state is RunState.QUEUED else None,
        started_at=event.at if event.state is RunState.STARTED else None,
        finished_at=event.at if ended else None,
    )


def _merge(one: Attempt, other: Attempt) -> Attempt:
    """Of two endings the earlier one counts: a run that was failed as dead and comes back changes nothing."""
    told = min((a for a in (one, other) if a.state.ended), key=_ending, default=None)
    further = told or max(one, other, key=lambda attempt: attempt.state is RunState.STARTED)
    return Attempt(
        run_id=one.run_id,
        fence=max(one.fence, other.fence),
        state=further.state,
        reason=max(one.reason, other.reason),
        stages=_in_order((*one.stages, *other.stages)),
        error_kind=further.error_kind,
        error_stage=further.error_stage,
        error=further.error,
        queued_at=_earlier(one.queued_at, other.queued_at),
        started_at=_earlier(one.started_at, other.started_at),
        finished_at=further.finished_at,
    )


def _ending(attempt: Attempt) -> tuple[float, str, str, str, str]:
    """A total order, by time first, so that two endings of one moment are told apart whoever is heard first."""
    at = attempt.finished_at.timestamp() if attempt.finished_at else 0.0
    stage = attempt.error_stage.value if attempt.error_stage else ""
    return (at, attempt.state.value, attempt.error_kind, stage, attempt.error)


def _in_order(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    asked = set(stages)
    return tuple(stage for stage in Stage if stage in asked)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment), default=None)


def _processed_at(state: VideoState) -> datetime | None:
    """The moment from which everything was there once; None while something never was. It does not look at
    runs, so no later failure takes a video out of `ready`."""
    if state.adopted is not None:
        return state.adopted.processed_at
    if any(stage not in state.ledger for stage in READY_WHEN_CURRENT):
        return None
    return max(state.ledger[stage].first_made_at for stage in READY_WHEN_CURRENT)


def _final_failures(runs: Sequence[Attempt], max_lost_workers: int) -> list[Attempt]:
    """Failed and canceled attempts, in order of fence, without those after which a lost worker is replaced."""
    final: list[Attempt] = []
    lost_in_a_row = 0
    for attempt in runs:
        if not attempt.state.ended or _handed_back(attempt):
            continue
        lost = _lost(attempt)
        lost_in_a_row = lost_in_a_row + 1 if lost else 0
        if attempt.state is not RunState.SUCCEEDED and (not lost or lost_in_a_row >= max_lost_workers):
            final.append(attempt)
    return final


def blamed(ended: Iterable[Attempt]) -> list[Attempt]:
    """Of a failed video's ended attempts those its failure follows from, in order of fence: the newest, and
    where that lost its worker, those in a row that did so before it."""
    told = (attempt for attempt in ended if not _handed_back(attempt) and attempt.reason != IN_BULK)
    newest_first = sorted(told, key=lambda attempt: (attempt.fence, attempt.run_id), reverse=True)
    lost = list(takewhile(_lost, newest_first))
    return list(reversed(lost or newest_first[:1]))


def _lost(attempt: Attempt) -> bool:
    return attempt.state is RunState.FAILED and attempt.error_kind in LOST_CAUSES


def _handed_back(attempt: Attempt) -> bool:
    """Whether the run ended because its worker was told to stop. A deployment says nothing about the video, however
    often one falls into its encode: the run is launched again without a limit and counts neither way."""
    return attempt.state is RunState.FAILED and attempt.error_kind == HANDED_BACK


def _status(
    state: VideoState, runs: Sequence[Attempt], final: Sequence[Attempt], *, ready: bool
) -> tuple[VideoStatus, Attempt | None]:
    """The status, and the attempt to blame where it is `failed`."""
    if ready:
        return VideoStatus.READY, None
    if any(attempt.state is RunState.STARTED for attempt in runs):
        return next(stage.status for stage in Stage if stage not in state.ledger), None
    newest_ended = next((attempt for attempt in reversed(runs) if attempt.state.ended), None)
    if newest_ended is not None and newest_ended in final:
        return VideoStatus.FAILED, newest_ended
    return (VideoStatus.UPLOADING if state.uploading else VideoStatus.PENDING), None


def _message(blamed: Attempt) -> str:
    if blamed.state is RunState.CANCELED:
        return CANCELED
    words = blamed.error or "the run failed without saying why; its log has the details"
    return one_line(f"{blamed.error_stage.value}: {words}" if blamed.error_stage else words)


def _updated_at(
    state: VideoState, runs: Sequence[Attempt], processed_at: datetime | None, blamed: Attempt | None
) -> datetime:
    if state.adopted is not None:
        return state.adopted.updated_at
    if processed_at is not None:
        return processed_at
    if blamed is not None and blamed.finished_at is not None:
        return blamed.finished_at
    starts = [attempt.started_at for attempt in runs if attempt.started_at]
    return max([state.created_at, *starts])


def _outcomes(state: VideoState, processed_at: datetime | None, final: Sequence[Attempt]) -> dict[UUID, OutboxEvent]:
    """video.ready once; video.failed for each final failure that did not come after the video was ready."""
    told: list[OutboxEvent] = []
    for attempt in final:
        at = attempt.finished_at
        if at is not None and (processed_at is None or _came_before_ready(state, attempt, at, processed_at)):
            told.append(_failed(state.video_id, attempt, at))
    if processed_at is not None:
        told.append(messages.ready(state.video_id, at=processed_at))
    return {event.id: event for event in told}


def _came_before_ready(state: VideoState, attempt: Attempt, at: datetime, processed_at: datetime) -> bool:
    """By the time of its end. One that ended before it was created is of a clock that was set back, so that its time
    says nothing: then by the order of runs."""
    if at.timestamp() < seconds_of(attempt.fence):
        return attempt.fence <= max(state.ledger[stage].first_fence for stage in READY_WHEN_CURRENT)
    return at < processed_at


def _failed(video_id: int, attempt: Attempt, at: datetime) -> OutboxEvent:
    stage = attempt.error_stage.value if attempt.error_stage else "run"
    error = CANCELED if attempt.state is RunState.CANCELED else attempt.error or "the run failed without saying why"
    metadata = {"runId": attempt.run_id}
    if attempt.error_kind:
        metadata["kind"] = attempt.error_kind
    return messages.failed(video_id, attempt.run_id, stage=stage, error=error, metadata=metadata, at=at)
