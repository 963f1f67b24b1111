"""The projection: whatever the order in which events are heard of, the end is the same, and it is the right one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video_assets.outbox import messages
from video_assets.outbox.messages import StoredMessage
from video_assets.projection.events import Made, RunChanged
from video_assets.projection.fold import fold, outbox_change, settle
from video_assets.projection.state import Settled, VideoState
from video_assets.videos import RunState, Stage, VideoStatus
from video_assets_tests.projection.histories import (
    CREATED,
    MAX_LOST,
    Event,
    History,
    account,
    at,
    changed,
    histories,
    made,
    retold,
)

VIDEO = 1


class Table:
    """One video's rows in memory: what the store does, without a database."""

    def __init__(self, video_id: int = VIDEO) -> None:
        self.state = VideoState(video_id, CREATED)
        self.outbox: dict[UUID, StoredMessage] = {}

    def hear(self, events: Iterable[Event]) -> Settled:
        """Applies a batch, as one transaction does."""
        for event in events:
            mine = (event.video_id,) if isinstance(event, Made) else event.video_ids
            if self.state.video_id in mine:
                self.state = fold(self.state, event)
        settled = self.settled
        change = outbox_change(self.outbox.values(), self.state, settled)
        assert not {event.id for event in change.add} & set(self.outbox)
        for identity in change.withdraw:
            del self.outbox[identity]
        for message in (*change.add, *change.update):
            self.outbox[message.id] = StoredMessage(message, published=False)
        return settled

    @property
    def settled(self) -> Settled:
        return settle(self.state, max_lost_workers=MAX_LOST)

    def publish(self) -> None:
        self.outbox = {identity: StoredMessage(told.event, True) for identity, told in self.outbox.items()}

    @property
    def topics(self) -> list[str]:
        events = sorted((told.event for told in self.outbox.values()), key=lambda event: event.place)
        return [event.topic for event in events]

    def everything(self) -> tuple[object, ...]:
        results = {stage: made.result for stage, made in self.state.ledger.items()}
        return (self.state.ledger, results, self.state.attempts, self.settled, self.outbox)


def heard(*events: Event) -> Table:
    table = Table()
    table.hear(events)
    return table


def all_made(run_id: str = "run0", created: float = 0.0, start: float = 1.0) -> list[Made]:
    return [made(VIDEO, stage, run_id, created, start + n) for n, stage in enumerate(Stage)]


def run(run_id: str, created: float, state: RunState, when: float, **more: object) -> RunChanged:
    return changed((VIDEO,), run_id, created, state, when, **more)


@st.composite
def retellings(draw: st.DrawFn) -> tuple[History, list[list[Event]]]:
    history = draw(histories())
    return history, draw(retold(history.events))


@settings(max_examples=200)
@given(retellings())
def test_any_order_duplicates_delays_and_losses_that_are_made_up_for_end_in_the_same_rows(
    told: tuple[History, list[list[Event]]],
) -> None:
    history, batches = told
    for video_id in history.video_ids:
        in_order, otherwise = Table(video_id), Table(video_id)
        in_order.hear(history.events)
        for batch in batches:
            otherwise.hear(batch)
        assert otherwise.everything() == in_order.everything()


@settings(max_examples=200)
@given(histories())
def test_every_history_ends_as_the_rules_say(history: History) -> None:
    for video_id in history.video_ids:
        table, wanted = Table(video_id), account(history, video_id)
        settled = table.hear(history.events)
        assert (settled.status.value, settled.status_message) == (wanted.status, wanted.status_message)
        assert (settled.processed_at, settled.updated_at) == (wanted.processed_at, wanted.updated_at)
        current = {stage: (m.fingerprint, m.first_made_at) for stage, m in table.state.ledger.items()}
        assert current == wanted.current
        attempts = {r: (settled.numbers[r], attempt.state.value) for r, attempt in table.state.attempts.items()}
        assert attempts == wanted.attempts
        assert {messages.event_id(topic, video_id, *_about(topic, what, table)) for topic, what in wanted.told} == set(
            table.outbox
        )


def _about(topic: str, what: str, table: Table) -> tuple[str, str]:
    if topic == messages.READY:
        return "", ""
    if topic == messages.FAILED:
        return what, ""
    return what.split("-")[1], what


@settings(max_examples=80)
@given(retellings(), st.data())
def test_what_was_published_stays_and_what_was_not_follows(
    told: tuple[History, list[list[Event]]], data: st.DataObject
) -> None:
    history, batches = told
    for video_id in history.video_ids:
        quiet, table = Table(video_id), Table(video_id)
        quiet.hear(history.events)
        sent: dict[UUID, StoredMessage] = {}
        for batch in batches:
            table.hear(batch)
            assert sent.items() <= table.outbox.items()
            if data.draw(st.booleans()):
                table.publish()
                sent = dict(table.outbox)
        assert set(quiet.outbox) <= set(table.outbox)
        assert set(table.outbox) - set(quiet.outbox) <= set(sent)


@settings(max_examples=80)
@given(histories())
def test_ready_is_for_ever(history: History) -> None:
    table, was_ready = Table(), False
    for event in history.events:
        status = table.hear([event]).status
        assert not was_ready or status is VideoStatus.READY
        was_ready = status is VideoStatus.READY


@given(histories())
def test_rows_come_back_from_manifests_alone(history: History) -> None:
    """What the pointers keep: the current making, and when the artifact was first current."""
    for video_id in history.video_ids:
        table, rebuilt = Table(video_id), Table(video_id)
        before = table.hear(history.events)
        pointers = [
            Made(
                video_id,
                m.stage,
                m.run_id,
                m.fence,
                m.fingerprint,
                m.content_hash,
                m.manifest_key,
                m.made_at,
                bytes=m.bytes,
                cost=m.cost,
                code_version=m.code_version,
                inputs=m.inputs,
                params=m.params,
                result=m.result,
                first_made_at=m.first_made_at,
                first_fence=m.first_fence,
            )
            for m in table.state.ledger.values()
        ]
        after = rebuilt.hear(pointers)
        assert rebuilt.state.ledger == table.state.ledger
        assert after.processed_at == before.processed_at
        if before.status is VideoStatus.READY:
            assert (after.status, after.updated_at) == (before.status, before.updated_at)


def test_the_status_names_the_first_missing_stage_while_a_run_goes() -> None:
    table, seen = Table(), []
    seen.append(table.settled.status.value)
    seen.append(table.hear([run("run0", 0, RunState.QUEUED, 0)]).status.value)
    seen.append(table.hear([run("run0", 0, RunState.STARTED, 1)]).status.value)
    for making in all_made():
        seen.append(table.hear([making]).status.value)
    assert seen == [
        "pending",
        "pending",
        "pending",
        "transcoding",
        "transcribing",
        "summarizing",
        "indexing",
        "ready",
    ]


def test_messages_come_in_pipeline_order() -> None:
    table = heard(run("run0", 0, RunState.STARTED, 0), *all_made(), run("run0", 0, RunState.SUCCEEDED, 9))
    assert table.topics == ["video.transcoded", "video.transcribed", "video.summarized", "video.ready"]


def test_processed_at_is_the_time_of_the_event_that_completed_it() -> None:
    assert heard(*all_made(start=10)).settled.processed_at == at(14)


def test_an_upload_in_the_making_stays_uploading_until_it_is_there() -> None:
    state = VideoState(VIDEO, CREATED, uploading=True)
    assert settle(state, max_lost_workers=MAX_LOST).status is VideoStatus.UPLOADING


def test_a_lower_fence_never_becomes_current_however_late_it_comes() -> None:
    late = made(VIDEO, Stage.VARIANTS, "old", created=0, when=500)
    table = heard(made(VIDEO, Stage.VARIANTS, "new", created=10, when=20), late)
    current = table.state.ledger[Stage.VARIANTS]
    assert (current.run_id, current.result) == ("new", made(VIDEO, Stage.VARIANTS, "new", 10, 20).result)


def test_a_making_that_was_superseded_before_it_was_heard_of_is_told_all_the_same() -> None:
    table = heard(made(VIDEO, Stage.VARIANTS, "new", 10, 20), made(VIDEO, Stage.VARIANTS, "old", 0, 5))
    assert table.topics == ["video.transcoded", "video.transcoded"]
    assert table.state.ledger[Stage.VARIANTS].first_made_at == at(5)


def test_a_re_made_artifact_is_told_again_and_a_reused_one_is_not() -> None:
    first = all_made()
    again = made(VIDEO, Stage.TRANSCRIPTS, "run2", 50, 60)
    table = heard(*first, *first, again)  # the second time as reused by a later run
    assert table.topics.count("video.transcribed") == 2
    assert table.topics.count("video.transcoded") == 1
    assert table.topics.count("video.ready") == 1


def test_a_re_make_leaves_processed_at_and_ready_as_they_were() -> None:
    table = heard(*all_made())
    before = table.settled
    after = table.hear([run("run2", 50, RunState.STARTED, 51), *all_made("run2", 50, 60)])
    assert (after.status, after.processed_at, after.updated_at) == (
        before.status,
        before.processed_at,
        before.updated_at,
    )


def test_a_failed_run_leaves_one_line_that_names_the_stage() -> None:
    words = "line one\nline two\x00"
    failure = run("run0", 0, RunState.FAILED, 5, error_kind="permanent", error_stage=Stage.TRANSCRIPTS, error=words)
    table = heard(run("run0", 0, RunState.STARTED, 1), failure)
    assert table.settled.status_message == "transcripts: line one line two"
    assert table.settled.updated_at == at(5)
    (message,) = [told.event.payload for told in table.outbox.values()]
    assert (message["stage"], message["error"]) == ("transcripts", "line one line two")


def test_a_canceled_run_leaves_the_video_failed_as_canceled() -> None:
    table = heard(run("run0", 0, RunState.STARTED, 1), run("run0", 0, RunState.CANCELED, 5))
    assert (table.settled.status, table.settled.status_message) == (VideoStatus.FAILED, "canceled")


@pytest.mark.parametrize("kind", ["worker_lost", "launch_lost"])
def test_a_lost_worker_is_replaced_until_it_has_happened_too_often(kind: str) -> None:
    table, seen = Table(), []
    for number in range(MAX_LOST):
        lost = run(f"run{number}", number * 10, RunState.FAILED, number * 10 + 5, error_kind=kind, error="gone")
        seen.append(table.hear([lost]).status.value)
    assert seen == ["pending"] * (MAX_LOST - 1) + ["failed"]
    assert table.topics == ["video.failed"]


def test_lost_workers_count_only_in_a_row() -> None:
    def lost(number: int) -> RunChanged:
        return run(f"run{number}", number, RunState.FAILED, number + 0.5, error_kind="worker_lost", error="gone")

    between = run("run2", 2, RunState.SUCCEEDED, 2.5)
    assert heard(lost(0), lost(1), between, lost(3)).settled.status is VideoStatus.PENDING


def ended(number: int, kind: str) -> RunChanged:
    return run(f"run{number}", number * 10, RunState.FAILED, number * 10 + 5, error_kind=kind, error="gone")


def test_however_many_deployments_fall_into_an_encode_its_video_does_not_fail() -> None:
    table = Table()
    for number in range(4 * MAX_LOST):
        settled = table.hear([ended(number, "handed_back")])
        assert (settled.status, settled.status_message) == (VideoStatus.PENDING, None)
    assert table.topics == []


def test_a_deployment_among_lost_workers_neither_counts_nor_forgives() -> None:
    kinds = ["worker_lost", "handed_back"] * (MAX_LOST - 1)
    before = [ended(number, kind) for number, kind in enumerate(kinds)]
    table = heard(*before)
    assert table.settled.status is VideoStatus.PENDING
    assert table.hear([ended(len(kinds), "worker_lost")]).status is VideoStatus.FAILED
    assert table.topics == ["video.failed"]


def test_a_retry_of_a_failed_video_that_is_handed_back_is_gone_on_with() -> None:
    assert heard(ended(0, "permanent"), ended(1, "handed_back")).settled.status is VideoStatus.PENDING


def test_a_zombie_that_says_it_succeeded_changes_nothing() -> None:
    failed = run("run0", 0, RunState.FAILED, 5, error_kind="permanent", error="bad file")
    zombie = run("run0", 0, RunState.SUCCEEDED, 50)
    table = heard(run("run0", 0, RunState.STARTED, 1), failed)
    before = table.everything()
    table.hear([zombie])
    assert table.everything() == before
    assert heard(zombie, failed).settled.status is VideoStatus.FAILED


def test_a_retry_that_goes_hides_the_failure_before_it() -> None:
    failed = run("run0", 0, RunState.FAILED, 5, error_kind="permanent", error="bad file")
    retry = run("run1", 10, RunState.STARTED, 11)
    assert heard(failed, retry, made(VIDEO, Stage.UPLOADS, "run1", 10, 12)).settled.status is VideoStatus.TRANSCODING


def test_a_failure_that_comes_after_ready_is_told_to_nobody() -> None:
    table = heard(*all_made(start=1))
    table.hear([run("run2", 50, RunState.FAILED, 60, error_kind="permanent", error="no")])
    assert "video.failed" not in table.topics
    assert table.settled.status is VideoStatus.READY


def test_an_unpublished_failure_is_withdrawn_when_an_earlier_success_is_heard_of() -> None:
    table = heard(run("run0", 50, RunState.FAILED, 60, error_kind="permanent", error="no"))
    assert table.topics == ["video.failed"]
    table.hear(all_made(start=1))
    assert "video.failed" not in table.topics


def test_a_published_failure_stays() -> None:
    table = heard(run("run0", 50, RunState.FAILED, 60, error_kind="permanent", error="no"))
    table.publish()
    table.hear(all_made(start=1))
    assert table.topics.count("video.failed") == 1


def test_a_run_of_some_stages_that_went_well_leaves_an_incomplete_video_waiting() -> None:
    table = heard(run("run0", 0, RunState.STARTED, 1), made(VIDEO, Stage.UPLOADS, "run0", 0, 2))
    assert table.hear([run("run0", 0, RunState.SUCCEEDED, 3)]).status is VideoStatus.PENDING


def test_attempts_are_numbered_by_fence_not_by_arrival() -> None:
    runs = [run(f"run{n}", created, RunState.QUEUED, 100 - created) for n, created in enumerate((30, 10, 20))]
    assert heard(*runs).settled.numbers == {"run1": 1, "run2": 2, "run0": 3}


def test_an_attempt_keeps_its_story() -> None:
    stages: Sequence[Stage] = (Stage.SUMMARIES, Stage.TRANSCRIPTS)
    table = heard(
        run("run0", 0, RunState.FAILED, 5, stages=stages, reason="manual", error_kind="unknown", error="odd"),
        run("run0", 0, RunState.QUEUED, 0),
        run("run0", 0, RunState.STARTED, 1, stages=(Stage.VARIANTS,)),
    )
    attempt = table.state.attempts["run0"]
    assert (attempt.queued_at, attempt.started_at, attempt.finished_at) == (at(0), at(1), at(5))
    assert (attempt.state, attempt.reason, attempt.error) == (RunState.FAILED, "manual", "odd")
    assert attempt.stages == (Stage.VARIANTS, Stage.TRANSCRIPTS, Stage.SUMMARIES)
