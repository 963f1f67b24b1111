"""Made-up histories of videos and runs, and an account of what they should come to.

A history is what an event log would hold: runs over one video or several, whole or of some stages, that
queue, start, make or reuse artifacts, fail, are canceled, lose their worker, and come back as zombies after
they had been failed. `account` tells the end from the whole history by plain rules, written apart from the
projection: no folding, no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from video_assets.projection.events import (
    ArtifactResult,
    Made,
    RunChanged,
    SummaryResult,
    TranscriptResult,
    VariantsResult,
)
from video_assets.videos import READY_WHEN_CURRENT, RunState, Stage

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
CREATED = START - timedelta(hours=1)
MAX_LOST = 3
Event = Made | RunChanged


def at(seconds: float) -> datetime:
    """A moment of a history."""
    return START + timedelta(seconds=seconds)


def fence_of(created: float, run_id: str) -> str:
    """The run's place in the order of runs."""
    return f"{at(created).timestamp():017.6f}/{run_id}"


def result_of(stage: Stage, mark: str) -> ArtifactResult | None:
    """A result that can be told from any other making's."""
    key = f"videos/x/{mark}"
    if stage is Stage.VARIANTS:
        return VariantsResult((("720p", f"{key}/720p.mp4", 7_000), ("360p", f"{key}/360p.mp4", 3_000)))
    if stage is Stage.TRANSCRIPTS:
        return TranscriptResult(f"text of {mark}", f"{key}/transcript.json", 12.0, {"source": mark}, 3)
    if stage is Stage.SUMMARIES:
        return SummaryResult(f"summary of {mark}", f"{key}/summary.json", {"by": mark}, 0.5)
    return None


def made(video_id: int, stage: Stage, run_id: str, created: float, when: float, **more: Any) -> Made:
    """A making."""
    fingerprint = more.pop("fingerprint", f"{stage.value}-{run_id}")
    return Made(
        video_id=video_id,
        stage=stage,
        run_id=run_id,
        fence=fence_of(created, run_id),
        fingerprint=fingerprint,
        content_hash=f"content-{fingerprint}",
        manifest_key=f"videos/{video_id}/{stage.value}/{fingerprint}/manifest.json",
        made_at=at(when),
        bytes=10,
        cost={"wall_seconds": 1.0},
        code_version="1",
        inputs={"source": "s"},
        params={"p": 1},
        result=result_of(stage, f"{video_id}-{stage.value}-{run_id}"),
        **more,
    )


def changed(
    video_ids: Sequence[int], run_id: str, created: float, state: RunState, when: float, **more: Any
) -> RunChanged:
    """A change of a run's state."""
    return RunChanged(tuple(video_ids), run_id, fence_of(created, run_id), state, at(when), **more)


@dataclass
class History:
    """Events in the order in which they happened."""

    video_ids: tuple[int, ...]
    events: list[Event] = field(default_factory=list)


_ENDS = ("succeeded", "failed", "canceled", "worker_lost", "launch_lost", "handed_back", "going", "going")
_FAILURES = {
    "failed": ("permanent", Stage.TRANSCRIPTS, "no speech model; set one"),
    "worker_lost": ("worker_lost", None, "the worker died; try again"),
    "launch_lost": ("launch_lost", None, "it did not start; try again"),
    "handed_back": ("handed_back", None, "the worker was told to stop; try again"),
}


@st.composite
def histories(draw: st.DrawFn, most_videos: int = 3, most_runs: int = 6) -> History:
    """Histories of up to so many videos and runs."""
    video_ids = tuple(range(1, draw(st.integers(1, most_videos)) + 1))
    timed: list[tuple[float, int, Event]] = []
    current: dict[tuple[int, Stage], Made] = {}
    clock = 0.0
    for number in range(draw(st.integers(1, most_runs))):
        created = clock
        run_events = draw(_run(video_ids, number, created, current))
        timed += [(when, number, event) for when, event in run_events]
        # The next run is created while this one goes on, or after it.
        clock += draw(st.sampled_from((0.5, 7.0, 100.0)))
    timed.sort(key=lambda item: (item[0], item[1]))
    return History(video_ids, [event for _, _, event in timed])


@st.composite
def _run(
    draw: st.DrawFn, video_ids: tuple[int, ...], number: int, created: float, current: dict[tuple[int, Stage], Made]
) -> list[tuple[float, Event]]:
    run_id = f"run{number}"
    about = draw(st.one_of(st.sampled_from(video_ids).map(lambda one: (one,)), st.just(video_ids)))
    stages = draw(st.one_of(st.just(tuple(Stage)), st.sets(st.sampled_from(Stage), min_size=1).map(_ordered)))
    end = draw(st.sampled_from(_ENDS))
    more = {"stages": stages, "reason": draw(st.sampled_from(("upload", "backfill", "manual")))}
    events: list[tuple[float, Event]] = []
    when = created

    def tell(state: RunState, kind: str = "", stage: Stage | None = None, error: str = "") -> None:
        said = changed(about, run_id, created, state, when, error_kind=kind, error_stage=stage, error=error, **more)
        events.append((when, said))

    if draw(st.booleans()):
        tell(RunState.QUEUED)
    when += draw(st.sampled_from((0.25, 4.0)))
    if end != "launch_lost" and (end != "canceled" or draw(st.booleans())):
        tell(RunState.STARTED)
        if draw(st.booleans()):  # a run that is resumed says so twice
            when += 0.25
            tell(RunState.STARTED)
        how_far = len(stages) if end == "succeeded" else draw(st.integers(0, len(stages)))
        for stage in stages[:how_far]:
            for video_id in about:
                when += draw(st.sampled_from((0.125, 1.0)))
                events.append((when, draw(_making(video_id, stage, run_id, created, when, current))))
    when += 0.5
    if end == "going":
        return events
    if end in _FAILURES:
        tell(RunState.FAILED, *_FAILURES[end])
    else:
        tell(RunState(end))
    if end in ("worker_lost", "canceled") and draw(st.booleans()):
        # The worker was only cut off: it goes on, publishes, and says that all went well.
        when += 20.0
        stage = draw(st.sampled_from(Stage))
        events.append((when, made(about[0], stage, run_id, created, when, fingerprint=f"{stage.value}-{run_id}-late")))
        when += 1.0
        tell(RunState.SUCCEEDED)
    return events


@st.composite
def _making(
    draw: st.DrawFn,
    video_id: int,
    stage: Stage,
    run_id: str,
    created: float,
    when: float,
    current: dict[tuple[int, Stage], Made],
) -> Made:
    before = current.get((video_id, stage))
    if before is not None and draw(st.booleans()):
        return before
    fresh = made(video_id, stage, run_id, created, when)
    current[(video_id, stage)] = fresh
    return fresh


def _ordered(stages: set[Stage]) -> tuple[Stage, ...]:
    return tuple(stage for stage in Stage if stage in stages)


@st.composite
def retold(draw: st.DrawFn, events: Sequence[Event]) -> list[list[Event]]:
    """The same events as somebody may hear of them: in another order, doubled, some only at the end when all
    is told once more; in batches."""
    heard: list[Event] = draw(st.permutations(list(events)))
    if draw(st.booleans()) and heard:
        doubled = draw(st.lists(st.sampled_from(heard), max_size=6))
        heard = draw(st.permutations([*heard, *doubled]))
    if draw(st.booleans()) and heard:
        lost = draw(st.integers(0, len(heard)))
        heard = [*heard[lost:], *draw(st.permutations(list(events)))]
    cuts = sorted(draw(st.sets(st.integers(1, max(len(heard) - 1, 1)), max_size=4)))
    return [heard[a:b] for a, b in zip([0, *cuts], [*cuts, len(heard)], strict=True)]


@dataclass(frozen=True)
class Account:
    """How a video should stand at the end of a history."""

    status: str
    status_message: str | None
    processed_at: datetime | None
    updated_at: datetime
    current: dict[Stage, tuple[str, datetime]]
    """Stage → (fingerprint, first made)."""
    attempts: dict[str, tuple[int, str]]
    """Run → (number, state)."""
    told: set[tuple[str, str]]
    """(topic, run that it is about, or empty)."""


def account(history: History, video_id: int) -> Account:
    """How the video should stand, by the rules of the design, from all of the history at once."""
    makings = [event for event in history.events if isinstance(event, Made) and event.video_id == video_id]
    changes = [event for event in history.events if isinstance(event, RunChanged) and video_id in event.video_ids]
    current: dict[Stage, tuple[str, datetime]] = {}
    for stage in {making.stage for making in makings}:
        of_stage = [making for making in makings if making.stage is stage]
        winner = sorted(of_stage, key=lambda making: (making.fence, making.fingerprint))[-1]
        current[stage] = (winner.fingerprint, min(making.made_at for making in of_stage))
    processed_at = None
    if all(stage in current for stage in READY_WHEN_CURRENT):
        processed_at = sorted(current[stage][1] for stage in READY_WHEN_CURRENT)[-1]

    runs = sorted({(change.fence, change.run_id) for change in changes})
    endings: dict[str, RunChanged] = {}
    states: dict[str, str] = {}
    for _, run in runs:
        own = sorted((change for change in changes if change.run_id == run), key=lambda change: change.at)
        ends = [change for change in own if change.state.value in ("succeeded", "failed", "canceled")]
        if ends:
            endings[run] = ends[0]
        states[run] = (
            ends[0].state.value if ends else "started" if any(c.state.value == "started" for c in own) else "queued"
        )

    final: list[RunChanged] = []
    row = 0
    for _, run in runs:
        if run not in endings:
            continue
        ending = endings[run]
        if ending.error_kind == "handed_back":
            continue
        lost = ending.error_kind in ("worker_lost", "launch_lost")
        row = row + 1 if lost else 0
        if ending.state.value == "canceled" or (ending.state.value == "failed" and (not lost or row >= MAX_LOST)):
            final.append(ending)
    ended = [endings[run] for _, run in runs if run in endings]

    status, message = "pending", None
    starts = [
        min(change.at for change in changes if change.run_id == run and change.state.value == "started")
        for run in states
        if any(change.run_id == run and change.state.value == "started" for change in changes)
    ]
    updated = max([CREATED, *starts])
    if processed_at:
        status, updated = "ready", processed_at
    elif "started" in states.values():
        words = {
            "uploads": "pending",
            "variants": "transcoding",
            "transcripts": "transcribing",
            "summaries": "summarizing",
            "search_documents": "indexing",
        }
        status = next(words[stage.value] for stage in Stage if stage not in current)
    elif ended and ended[-1] in final:
        status, updated = "failed", ended[-1].at
        stage_of = ended[-1].error_stage
        message = f"{stage_of.value}: {ended[-1].error}" if stage_of else ended[-1].error or "canceled"

    topics = {
        Stage.VARIANTS: "video.transcoded",
        Stage.TRANSCRIPTS: "video.transcribed",
        Stage.SUMMARIES: "video.summarized",
    }
    told = {(topics[m.stage], m.fingerprint) for m in makings if m.stage in topics}
    told |= {("video.failed", e.run_id) for e in final if processed_at is None or processed_at > e.at}
    told |= {("video.ready", "")} if processed_at else set()
    numbers = {run: (number, states[run]) for number, (_, run) in enumerate(runs, start=1)}
    return Account(status, message, processed_at, updated, current, numbers, told)
