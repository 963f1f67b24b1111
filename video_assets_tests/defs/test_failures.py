"""From errors to what Dagster does about them, and from what Dagster says to words for the user."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from video_assets import systems
from video_assets.clock import utc_now
from video_assets.defs import io_manager
from video_assets.defs.event_log.translate import explain
from video_assets.defs.failures import TRANSIENT_RETRIES, UNKNOWN_RETRIES, pause_before_retry, reported
from video_assets.errors import Full, PermanentError, TransientError
from video_assets.intake import upload_rows
from video_assets.library import queries
from video_assets.media.sandbox.process import explain as explain_child
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.e2e.house import wait_for

LOG = logging.getLogger(__name__)


def raised(error: Exception, retry_number: int) -> Exception:
    rested: list[float] = []
    with (
        pytest.raises((dg.Failure, dg.RetryRequested)) as caught,
        reported(Stage.VARIANTS, retry_number, LOG, rested.append),
    ):
        raise error
    again = isinstance(caught.value, dg.RetryRequested)
    assert rested == ([pause_before_retry(retry_number, None)] if again else [])
    return caught.value


def said(failure: Exception) -> dict[str, object]:
    assert isinstance(failure, dg.Failure)
    assert failure.allow_retries is False
    return {name: value.value for name, value in failure.metadata.items()}


def test_bad_input_is_final_at_once_and_keeps_its_words() -> None:
    failure = raised(PermanentError("the file is empty;\nupload it again"), 0)
    assert said(failure) == {
        "kind": "permanent",
        "stage": "variants",
        "message": "the file is empty; upload it again",
    }


@pytest.mark.parametrize(
    "error",
    [
        Full("the disk is full; make room"),
        OSError(errno.ENOSPC, "No space left on device"),
        OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")),
        TransientError("the database tables.db did not answer: database or disk is full"),
        explain_child(1, "[out] Error writing trailer: No space left on device", 1.0, 2.0, "the encoding"),
    ],
)
@pytest.mark.parametrize("retry_number", [0, TRANSIENT_RETRIES, 50])
def test_a_full_disk_is_waited_for_and_fails_no_video(error: Exception, retry_number: int) -> None:
    done: list[str] = []
    with (
        pytest.raises(dg.RetryRequested) as caught,
        reported(Stage.VARIANTS, retry_number, LOG, lambda _: done.append("rested"), lambda: done.append("room")),
    ):
        raise error
    assert done == ["rested", "room"]
    assert caught.value.max_retries > 100


def test_a_run_that_waits_for_room_lives_and_goes_on_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Systems(settings)
    rooms = iter([False, False, True])
    rested: list[float] = []
    monkeypatch.setattr(here, "has_room", lambda: next(rooms))
    monkeypatch.setattr(here, "rest", lambda video_id, run_id, stage, seconds: rested.append(seconds))
    here.wait_for_room(1, "run", Stage.VARIANTS)
    assert rested == [systems.ROOM_LOOK_SECONDS] * 2


def test_nobody_waits_for_room_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Systems(settings)
    monkeypatch.setattr(here, "has_room", lambda: False)
    with pytest.raises(TransientError, match="make room and try again"):
        here.wait_for_room(1, "run", Stage.VARIANTS, seconds=-1)


def test_a_disk_that_stays_full_is_told_as_it_is() -> None:
    def never() -> None:
        raise TransientError("the disk has been full for 24 hours; make room and try again")

    with (
        pytest.raises(dg.Failure) as raised,
        reported(Stage.VARIANTS, 0, LOG, lambda _: None, never),
    ):
        raise Full("the disk is full")
    assert raised.value.metadata["message"].value == "the disk has been full for 24 hours; make room and try again"


@pytest.mark.parametrize(
    ("error", "retries", "kind"),
    [
        (TransientError("the server is down"), TRANSIENT_RETRIES, "transient"),
        # As Dagster's own storage says that it is away: through SQLAlchemy, or after tries of its own.
        (OperationalError("SELECT 1", {}, OSError("refused")), TRANSIENT_RETRIES, "transient"),
        (DagsterPostgresException("too many retries for DB connection"), TRANSIENT_RETRIES, "transient"),
        (KeyError("x"), UNKNOWN_RETRIES, "unknown"),
    ],
)
def test_other_errors_are_tried_again_a_few_times_and_then_reported(error: Exception, retries: int, kind: str) -> None:
    for number in range(retries):
        assert isinstance(raised(error, number), dg.RetryRequested)
    assert said(raised(error, retries))["kind"] == kind


def test_the_pause_grows_and_honours_what_the_other_side_asked_for() -> None:
    assert [pause_before_retry(number, None) for number in range(4)] == [2, 8, 32, 128]
    assert pause_before_retry(0, 30) == 30
    assert pause_before_retry(0, 1e9) == 300


def test_no_trace_of_the_code_reaches_the_user() -> None:
    message = said(raised(RuntimeError("Traceback\n  File x.py"), UNKNOWN_RETRIES))["message"]
    assert isinstance(message, str)
    assert "\n" not in message
    assert "the run's log has the details" in message


def test_what_a_step_said_comes_before_what_the_run_says() -> None:
    steps = [{"kind": "permanent", "stage": "transcripts", "message": "no captions"}]
    assert explain("Steps failed: ['transcripts'].", steps) == ("permanent", Stage.TRANSCRIPTS, "no captions")


@pytest.mark.parametrize(
    "message",
    [
        "worker_lost: the worker has not been heard of for 61 s",
        "This run has been marked as failed from outside the execution context.",
        "An exception was thrown during execution.",
    ],
)
def test_a_run_whose_worker_died_is_told_from_one_that_failed(message: str) -> None:
    # A step that was torn off in the middle fails too, and is not to blame.
    assert explain(message, [])[0] == "worker_lost"


@pytest.mark.parametrize(
    "message",
    [
        "handed_back: the worker was told to stop; try again",
        "Execution was interrupted unexpectedly. No user initiated termination request was found, treating as failure.",
    ],
)
def test_a_run_that_was_told_to_stop_is_told_from_one_whose_worker_died(message: str) -> None:
    torn_off = [{"kind": "unknown", "stage": "variants", "message": "interrupted"}]
    kind, stage, _ = explain(message, torn_off if "interrupted" in message else [])
    assert (kind, stage) == ("handed_back", None)


def test_a_step_that_was_stopped_since_its_run_was_given_up_is_not_to_blame() -> None:
    stopped = [{"stage": "summaries", "message": "DagsterExecutionInterruptedError; the run's log has the details"}]
    cause = ("worker_lost", "the worker has been silent")
    assert explain("Steps failed", stopped, cause) == ("worker_lost", None, "the worker has been silent")
    assert explain("worker_lost: the worker has been silent for 61 s; try again", stopped) == (
        "worker_lost",
        None,
        "the worker has been silent for 61 s; try again",
    )


def test_a_run_that_never_started_has_words_of_its_own() -> None:
    assert explain("launch_lost: the run did not start within 181 s", [])[0] == "launch_lost"
    assert explain("Could not load the code location", []) == ("launch", None, "Could not load the code location")


def test_whoever_waits_for_a_server_gives_signs_of_life(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run that waits would be taken for dead: the last pause is longer than a silence may be."""
    assert pause_before_retry(TRANSIENT_RETRIES - 1, None) > settings.worker_lost_seconds
    house, seen = Systems(settings), []

    def asleep(seconds: float) -> None:
        def beats() -> int:
            with house.database.read() as session:
                seen.append(queries.heartbeats(session, ["run1"]).get("run1"))
            return len(set(seen) - {None})

        wait_for("two beats", lambda: beats() >= 2, 20)

    with house.database.write() as session:
        video_id = upload_rows.add_video(session, title="Herons", now=utc_now()).id
    monkeypatch.setattr(systems, "time", SimpleNamespace(sleep=asleep))
    house.rest(video_id, "run1", Stage.VARIANTS, 128)
    house.close()


def test_an_input_that_cannot_be_read_just_now_is_waited_for() -> None:
    pauses: list[float] = []
    answers: Iterator[Exception | str] = iter(
        [TransientError("away"), TransientError("away", retry_after=9), "the manifest"]
    )

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert io_manager.read_with_retries(read, pauses.append) == "the manifest"
    assert pauses == [2, 9]

    def never() -> str:
        raise TransientError("away for good")

    with pytest.raises(TransientError, match="for good"):
        io_manager.read_with_retries(never, pauses.append)
    assert len(pauses) == 2 + TRANSIENT_RETRIES
