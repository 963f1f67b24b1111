"""The store around the projection: rows converge on a real database, in batches and with several writers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from video_assets.database.engine import Database
from video_assets.database.models import AttemptRow, Base, OutboxRow, TranscriptRow, VariantRow, VideoRow
from video_assets.database.upsert import table_of
from video_assets.errors import TransientError
from video_assets.library import deletion_rows
from video_assets.outbox import queue
from video_assets.outbox import rows as outbox
from video_assets.projection import apply as applying
from video_assets.projection.events import Event as AnyEvent
from video_assets.projection.events import Made, Unusable
from video_assets.projection.failure_record import FailureRecord
from video_assets.settings import Settings
from video_assets.videos import RunState, Stage
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import CREATED, Event, History, at, changed, histories, made, retold
from video_assets_tests.projection.writer import write

SETTINGS = Settings(max_lost_workers=3)


def apply(database: Database, *events: AnyEvent, first: int = 1, announce: bool = True) -> tuple[int, ...]:
    return applying.apply(database, list(enumerate(events, start=first)), SETTINGS, announce=announce)


def all_made(video_id: int, run_id: str = "run0", created: float = 0, start: float = 1) -> list[Made]:
    return [made(video_id, stage, run_id, created, start + n) for n, stage in enumerate(Stage)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One SQLite database for many examples, which empty it themselves."""
    opened = Database(f"sqlite:///{tmp_path_factory.mktemp('library') / 'tables.db'}")
    opened.ensure_schema()
    yield opened
    opened.dispose()


@st.composite
def retellings(draw: st.DrawFn) -> tuple[History, list[list[Event]]]:
    history = draw(histories())
    return history, draw(retold(history.events))


SLOWER = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def fresh(library: Database, history: History) -> None:
    """Empty tables with the history's videos in them; ids count from one again, so that tellings compare."""
    rows.wipe(library)
    with library.write() as session:
        session.connection().exec_driver_sql("DELETE FROM sqlite_sequence")
    assert tuple(rows.add_videos(library, len(history.video_ids))) == history.video_ids


@SLOWER
@given(retellings())
def test_any_order_in_any_batches_ends_in_the_same_rows_and_the_same_outbox(
    library: Database, told: tuple[History, list[list[Event]]]
) -> None:
    history, batches = told
    fresh(library, history)
    apply(library, *history.events)
    in_order, said = rows.dump(library, rows.PROJECTED), sorted(rows.outbox(library))
    fresh(library, history)
    for batch in batches:
        apply(library, *batch)
    assert rows.dump(library, rows.PROJECTED) == in_order
    assert sorted(rows.outbox(library)) == said


@SLOWER
@given(retellings(), st.integers(0, 5))
def test_a_video_deleted_at_any_time_stays_deleted_and_the_others_do_not_notice(
    library: Database, told: tuple[History, list[list[Event]]], when: int
) -> None:
    history, batches = told
    gone, others = history.video_ids[0], set(history.video_ids[1:])
    fresh(library, history)
    apply(library, *history.events)
    in_order = rows.dump(library, rows.PROJECTED)
    fresh(library, history)
    for number, batch in enumerate([*batches, list(history.events)]):
        if number == min(when, len(batches)):
            with library.write() as session:
                deletion_rows.delete_video(session, gone, at(1000))
        apply(library, *batch)
    assert rows.dump(library, rows.PROJECTED) == {name: _only(lines, others) for name, lines in in_order.items()}
    told_of_it = rows.topics(library, gone)
    assert told_of_it[-1] == "video.deleted"
    assert told_of_it.count("video.deleted") == 1
    assert rows.unapplied(library) == []


@SLOWER
@given(histories())
def test_rows_of_ready_videos_come_back_from_what_is_current_alone(library: Database, history: History) -> None:
    fresh(library, history)
    apply(library, *history.events)
    before = rows.dump(library, rows.REBUILT)
    ready = {row.id for row in _videos(library) if row.status == "ready"}
    fresh(library, history)
    apply(library, *(making for making in _pointers(history) if making.video_id in ready), announce=False)
    after = rows.dump(library, rows.REBUILT)
    assert {name: _only(lines, ready) for name, lines in after.items()} == {
        name: _only(lines, ready) for name, lines in before.items()
    }


def _models() -> tuple[type[Base], ...]:
    return tuple(mapper.class_ for mapper in Base.registry.mappers)


def _videos(database: Database) -> list[VideoRow]:
    with database.read() as session:
        return list(session.scalars(select(VideoRow)))


def _forget_status(database: Database) -> None:
    with database.write() as session:
        for row in session.scalars(select(VideoRow)):
            row.status, row.status_message, row.processed_at, row.updated_at = "pending", None, None, row.created_at


def _pointers(history: History) -> list[Made]:
    """What storage keeps of a history: each artifact's highest fence, with the first moment and fence of all."""
    kept: dict[tuple[int, Stage], Made] = {}
    first: dict[tuple[int, Stage], datetime] = {}
    earliest: dict[tuple[int, Stage], str] = {}
    for event in history.events:
        if isinstance(event, Made):
            key = (event.video_id, event.stage)
            first[key] = min(first.get(key, event.made_at), event.made_at)
            earliest[key] = min(earliest.get(key, event.fence), event.fence)
            if key not in kept or (event.fence, event.fingerprint) > (kept[key].fence, kept[key].fingerprint):
                kept[key] = event
    return [
        Made(**{**making.__dict__, "first_made_at": first[key], "first_fence": earliest[key]})
        for key, making in kept.items()
    ]


def _only(lines: list[list[tuple[str, str]]], video_ids: set[int]) -> list[list[tuple[str, str]]]:
    wanted = {repr(video_id) for video_id in video_ids}
    return [line for line in lines if (dict(line).get("video_id") or dict(line)["id"]) in wanted]


def test_in_order_arrival_gives_the_messages_in_pipeline_order(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    apply(database, changed([video_id], "run0", 0, RunState.STARTED, 0.5))
    for making in all_made(video_id):
        apply(database, making)
    whole = ["video.uploaded", "video.transcoded", "video.transcribed", "video.summarized", "video.ready"]
    assert rows.topics(database, video_id) == whole
    (other,) = rows.add_videos(database, 1)
    apply(database, *reversed(all_made(other)))
    assert rows.topics(database, other) == whole


def test_results_stand_in_their_tables_and_are_replaced_as_a_whole(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    apply(database, *all_made(video_id))
    apply(database, *all_made(video_id, "run1", 100, 101))
    with database.read() as session:
        transcript = session.scalars(select(TranscriptRow)).one()
        assert (transcript.transcript_text, transcript.status) == (f"text of {video_id}-transcripts-run1", "completed")
        assert (transcript.created_at, transcript.updated_at) == (at(3), at(103))
        assert transcript.duration_seconds == 12
        variants = session.scalars(select(VariantRow).order_by(VariantRow.quality)).all()
        assert [(row.quality, row.created_at) for row in variants] == [("360p", at(2)), ("720p", at(2))]
        assert all("run1" in row.key for row in variants)
    row = rows.video(database, video_id)
    assert (row.status, row.processed_at, row.updated_at) == ("ready", at(5), at(5))


def test_the_videos_that_events_were_about_are_told_changed_or_not(database: Database) -> None:
    one, two = rows.add_videos(database, 2)
    failed = changed([two], "run9", 0, RunState.FAILED, 5, error_kind="permanent", error="bad")
    events: list[AnyEvent] = [*all_made(one), failed, made(999, Stage.UPLOADS, "run0", 0, 1)]
    assert apply(database, *events) == (one, two)
    assert [rows.video(database, video_id).status for video_id in (one, two)] == ["ready", "failed"]
    assert len(rows.unapplied(database)) == 1
    before = rows.dump(database, rows.PROJECTED)
    assert apply(database, *events) == (one, two)
    assert rows.dump(database, rows.PROJECTED) == before


def test_an_event_without_a_video_is_noted_once_and_the_rest_goes_on(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    stray = made(999, Stage.VARIANTS, "run0", 0, 1)
    unusable = Unusable("variants materialized", "no-number", "no video id", {"run": "x"})
    for _ in range(2):
        apply(database, stray, unusable, *all_made(video_id))
    assert [(row.storage_id, row.kind, row.partition) for row in rows.unapplied(database)] == [
        (1, "variants materialized", "999"),
        (2, "variants materialized", "no-number"),
    ]
    assert rows.video(database, video_id).status == "ready"


def test_an_event_that_came_before_its_video_is_applied_when_it_is_told_again(database: Database) -> None:
    apply(database, *all_made(1))
    assert len(rows.unapplied(database)) == 5
    assert rows.add_videos(database, 1) == [1]
    apply(database, *all_made(1))
    assert rows.unapplied(database) == []
    assert rows.video(database, 1).status == "ready"


def test_nothing_brings_a_deleted_video_back(database: Database) -> None:
    one, two = rows.add_videos(database, 2)
    apply(database, *all_made(one)[:3], changed([one, two], "run0", 0, RunState.STARTED, 1))
    with database.write() as session:
        gone = deletion_rows.delete_video(session, one, at(50))
        assert gone is not None
        assert gone.title == "title 0"
    late = apply(database, *all_made(one)[3:], changed([one, two], "run0", 0, RunState.SUCCEEDED, 60))
    assert late == (two,)
    assert rows.unapplied(database) == []
    dumped = rows.dump(database, rows.PROJECTED)
    assert all(dict(line).get("video_id", repr(two)) == repr(two) for lines in dumped.values() for line in lines)
    assert rows.topics(database, one) == [
        "video.uploaded",
        "video.transcoded",
        "video.transcribed",
        "video.deleted",
    ]
    with database.write() as session:
        assert deletion_rows.delete_video(session, one, at(70)) is None
    assert rows.add_videos(database, 1) == [3]


def test_a_rebuild_notes_messages_as_told_long_ago(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    apply(database, *all_made(video_id), announce=False)
    with database.read() as session:
        assert [message.topic for message in next(queue.batches(session, 100, size=100), [])] == ["video.uploaded"]
    apply(database, *all_made(video_id))
    with database.read() as session:
        assert len(next(queue.batches(session, 100, size=100), [])) == 1


def test_an_unpublished_failure_is_withdrawn_with_its_place_and_a_published_one_stays(database: Database) -> None:
    one, two = rows.add_videos(database, 2)
    for video_id in (one, two):
        apply(database, changed([video_id], "run9", 90, RunState.FAILED, 95, error_kind="permanent", error="bad"))
    with database.write() as session:
        sent = [message.id for message in next(queue.batches(session, 100, size=100), []) if message.video_id == two]
        queue.mark_published(session, sent, at(96))
    apply(database, *all_made(one), *all_made(two))
    assert "video.failed" not in rows.topics(database, one)
    assert rows.topics(database, two)[1] == "video.failed"


def test_text_that_no_database_stores_does_not_stop_the_others(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    making = all_made(video_id)[2]
    assert making.result is not None
    hostile = type(making.result)(
        **{**making.result.__dict__, "text": "a\x00b\ud800", "model_info": {"x": "\x00\ud800"}}
    )
    apply(database, Made(**{**making.__dict__, "result": hostile}))
    with database.read() as session:
        assert session.scalars(select(TranscriptRow.transcript_text)).one() == "ab?"


def test_more_videos_than_fit_one_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "VIDEOS_PER_TRANSACTION", 3)
    ids = rows.add_videos(database, 8)
    found = apply(database, changed(ids, "run0", 0, RunState.FAILED, 5, error_kind="permanent", error="bad"))
    assert found == tuple(ids)
    assert {rows.video(database, video_id).status for video_id in ids} == {"failed"}


def test_the_blamed_attempt_is_the_newest_ended_one(database: Database) -> None:
    one, two = rows.add_videos(database, 2)
    apply(
        database,
        changed([one], "late", 50, RunState.FAILED, 60, error_kind="permanent", error="second"),
        changed([one], "early", 0, RunState.FAILED, 70, error_kind="permanent", error="first"),
    )
    with database.read() as session:
        blamed = applying.blamed_attempts(session, [one, two])
    assert [attempt.run_id for attempt in blamed[one]] == ["late"]
    assert blamed[two] == []


def test_workers_lost_in_a_row_are_blamed_together_so_that_the_row_can_be_rebuilt(database: Database) -> None:
    (video_id,) = rows.add_videos(database, 1)
    kinds = ["worker_lost", "permanent", "worker_lost", "launch_lost", "handed_back", "worker_lost"]
    for number, kind in enumerate(kinds):
        failed = changed([video_id], f"run{number}", number, RunState.FAILED, number + 0.5, error_kind=kind, error=kind)
        apply(database, failed)
    with database.read() as session:
        blamed = applying.blamed_attempts(session, [video_id])[video_id]
    assert [attempt.run_id for attempt in blamed] == ["run2", "run3", "run5"]
    before = rows.dump(database, rows.REBUILT)
    rows.wipe(database, (AttemptRow,))
    _forget_status(database)
    for event in FailureRecord.of(video_id, blamed).events():
        apply(database, event, announce=False)
    assert rows.dump(database, rows.REBUILT) == before


def test_two_writers_of_the_same_videos_end_where_one_does(database: Database, database_url: str) -> None:
    ids = rows.add_videos(database, 6)
    events: list[Event] = []
    for number, video_id in enumerate(ids):
        events += all_made(video_id, "run0", 0, 1)
        events += all_made(video_id, "run1", 100, 101)
        events.append(changed([video_id], "run0", 0, RunState.STARTED, 1))
        kind = {"error_kind": "permanent", "error": "no"}
        events.append(changed([video_id], "run1", 100, RunState.FAILED, 101 + number, **kind))
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    writers = [spawn.Process(target=write, args=(database_url, events, seed, start)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    together, said = rows.dump(database, rows.PROJECTED), rows.outbox(database)
    assert len({line[1:] for line in said}) == len(said) == len(ids) * 8
    rows.wipe(database, tuple(m for m in _models() if m.__tablename__ != "videos"))
    _forget_status(database)
    apply(database, *events)
    assert rows.dump(database, rows.PROJECTED) == together
    assert sorted(rows.outbox(database)) == sorted(line for line in said if line[1] != "video.uploaded")


def test_a_transaction_that_fails_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (video_id,) = rows.add_videos(database, 1)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(outbox, "add", broken)
    with pytest.raises(RuntimeError):
        apply(database, *all_made(video_id))
    with database.read() as session:
        assert rows.video(database, video_id).status == "pending"
        assert session.scalar(select(func.count()).select_from(table_of(AttemptRow))) == 0
        assert session.scalar(select(func.count()).select_from(table_of(OutboxRow))) == 1
    assert rows.video(database, video_id).created_at == CREATED


def test_without_its_file_the_database_says_so_in_one_line(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/tables.db")
    with pytest.raises(TransientError, match="did not answer"):
        apply(database, *all_made(1))
