"""The projection's decisions, pure: from events to the state of a video.

`fold` takes one event into the state; `settle` derives status, columns and messages from the state. Each part of `fold`
takes a maximum, a minimum or a union. So events that come late, twice or in another order end in the same state, and
nothing depends on which event came first.
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
"""The reason of a run that makes light artifacts of many videos again. It is an attempt of each video, but does
not change its status while it runs or when it ends: it does not show whether the video can be made, and a failed video
keeps its message."""


def fold(state: VideoState, event: Made | RunChanged) -> VideoState:
    """The state after this event. Folding the same event twice changes nothing more."""
    return _fold_made(state, event) if isinstance(event, Made) else _fold_run(state, event)


def settle(state: VideoState, *, max_lost_workers: int) -> Settled:
    """What follows from the state. `max_lost_workers`: this many lost workers in a row make a failure final."""
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
        # An adopted ready video gets no messages: the services before sent them.
        outcomes=_outcomes(state, processed_at, final) if state.adopted is None else {},
    )


@dataclass(frozen=True)
class OutboxChange:
    """The changes to a video's messages in the outbox."""

    add: tuple[OutboxEvent, ...]
    update: tuple[OutboxEvent, ...]
    withdraw: tuple[UUID, ...]


def outbox_change(stored: Iterable[StoredMessage], state: VideoState, settled: Settled) -> OutboxChange:
    """Compares the messages in the outbox with those that follow from the state. A message about an artifact is added
    once and never changed. An outcome (ready, failed) follows the state until it is published."""
    known = {message.event.id: message for message in stored}
    due = {**state.announced, **settled.outcomes}
    unsent = {i: message for i, message in known.items() if message.event.topic in _OUTCOMES and not message.published}
    return OutboxChange(
        add=tuple(event for i, event in due.items() if i not in known),
        update=tuple(settled.outcomes[i] for i in unsent if i in due and settled.outcomes[i] != unsent[i].event),
        withdraw=tuple(i for i in unsent if i not in due),
    )


_OUTCOMES = (messages.READY, messages.FAILED)


def _fold_made(state: VideoState, event: Made) -> VideoState:
    current = Current(
        stage=event.stage,
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
    known = state.ledger.get(event.stage)
    if known is not None:
        first = min(current.first_made_at, known.first_made_at)
        first_fence = min(current.first_fence, known.first_fence or known.fence)
        newest = current if current.precedence > known.precedence else known
        current = replace(newest, first_made_at=first, first_fence=first_fence)
    announced = state.announced
    message = announcement(event)
    if message is not None and message.id not in announced:
        announced = {**announced, message.id: message}
    return replace(state, ledger={**state.ledger, event.stage: current}, announced=announced)


def announcement(event: Made) -> OutboxEvent | None:
    """The message to other services about an artifact that was made; None for a stage that has no message. An artifact
    that was already superseded when its event came gets its message too. A reused artifact has the id of the first
    message, so it adds one only if that was never added."""
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
    attempt = _attempt_of(event)
    known = state.attempts.get(event.run_id)
    return replace(state, attempts={**state.attempts, event.run_id: _merge(known, attempt) if known else attempt})


def _attempt_of(event: RunChanged) -> Attempt:
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
    """The union of what two events say of an attempt. Of two endings the earlier counts: a run that was failed as dead
    and comes back changes nothing."""
    ended = min((a for a in (one, other) if a.state.ended), key=_ending, default=None)
    further = ended or max(one, other, key=lambda attempt: attempt.state is RunState.STARTED)
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
    """The sort key of endings: by time, then by content, so that two endings of the same time always have the same
    order."""
    at = attempt.finished_at.timestamp() if attempt.finished_at else 0.0
    stage = attempt.error_stage.value if attempt.error_stage else ""
    return (at, attempt.state.value, attempt.error_kind, stage, attempt.error)


def _in_order(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    asked = set(stages)
    return tuple(stage for stage in Stage if stage in asked)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment), default=None)


def _processed_at(state: VideoState) -> datetime | None:
    """When the last of the needed artifacts was first made; None while one was never made. It does not look at runs, so
    no later failure takes a video out of `ready`."""
    if state.adopted is not None:
        return state.adopted.processed_at
    if any(stage not in state.ledger for stage in READY_WHEN_CURRENT):
        return None
    return max(state.ledger[stage].first_made_at for stage in READY_WHEN_CURRENT)


def _final_failures(runs: Sequence[Attempt], max_lost_workers: int) -> list[Attempt]:
    """The failed and canceled attempts, in order of fence, without those after which the video is launched again
    because a worker was lost."""
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
    """Of a failed video's ended attempts those that its failure follows from, in order of fence: the newest one, and if
    it lost its worker, those in a row before it that did too."""
    counted = (attempt for attempt in ended if not _handed_back(attempt) and attempt.reason != IN_BULK)
    newest_first = sorted(counted, key=lambda attempt: (attempt.fence, attempt.run_id), reverse=True)
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
    """The status, and for `failed` the attempt that it follows from."""
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
    """The messages video.ready, once, and video.failed for each final failure before the video was ready."""
    outcomes: list[OutboxEvent] = []
    for attempt in final:
        at = attempt.finished_at
        if at is not None and (processed_at is None or _came_before_ready(state, attempt, at, processed_at)):
            outcomes.append(_failed(state.video_id, attempt, at))
    if processed_at is not None:
        outcomes.append(messages.ready(state.video_id, at=processed_at))
    return {event.id: event for event in outcomes}


def _came_before_ready(state: VideoState, attempt: Attempt, at: datetime, processed_at: datetime) -> bool:
    """Whether an attempt ended before the video was ready. An end before the run's creation comes from a clock that was
    set back: its time means nothing, so the order of runs decides."""
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
