"""Turns the project's errors into Dagster's: decides what is retried, and words the message for the user.

A Dagster RetryPolicy would apply to every exception alike, bad input included, so there is none.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from video_assets.errors import Full, PermanentError, TransientError, one_line
from video_assets.retrying import growing
from video_assets.videos import Stage

TRANSIENT_RETRIES = 4
UNKNOWN_RETRIES = 1
FIRST_PAUSE_SECONDS = 2.0
GROWTH = 4.0
"""Factor between two pauses. The four pauses add up to nearly three minutes: a search server needs one to restart, and
no video should fail because of that."""
AGAIN_AFTER_FULL = 1_000
"""Retries of a stage that found a full disk. It waits for room before each, so they last for days."""
_NEVER_AGAIN = sys.maxsize
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
STORAGE_ERRORS = frozenset({"OperationalError", "InterfaceError", "DagsterPostgresException"})
"""Class names of the exceptions that Dagster raises when its storage is away. Names, because a failure in the event log
has only the name."""


Rest = Callable[[float], None]
"""Waits so many seconds and writes heartbeats meanwhile. In Dagster's own pause before a retry there are none, and a
run without heartbeats counts as dead after a while."""


def pause_before_retry(retry_number: int, retry_after: float | None) -> float:
    """Seconds until the next try: they grow, or are what the server asked for if that is longer; five minutes at
    most."""
    pause = growing(retry_number, first=FIRST_PAUSE_SECONDS, growth=GROWTH)
    return min(max(pause, retry_after or 0.0), 300.0)


@contextmanager
def reported(
    stage: Stage,
    retry_number: int | None,
    log: logging.Logger,
    rest: Rest,
    wait_for_room: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """For the block, turns any exception into a Failure, with kind, stage and message, or into a RetryRequested. Rests
    before it asks for a retry; where a disk is full, waits until there is room. `retry_number`: how many retries the
    step has had; None where it must not be retried."""
    tried = _NEVER_AGAIN if retry_number is None else retry_number
    try:
        yield
    except (dg.Failure, dg.RetryRequested, dg.DagsterExecutionInterruptedError):
        raise
    except PermanentError as error:
        raise failure("permanent", stage, one_line(error)) from error
    except Exception as error:
        if (transient := as_transient(error)) is not None:
            if isinstance(transient, Full) and tried < AGAIN_AFTER_FULL:
                log.warning("%s: %s; going on once there is room", stage.value, one_line(transient))
                rest(pause_before_retry(0, None))
                try:
                    wait_for_room()
                except TransientError as still_full:
                    raise failure("transient", stage, one_line(still_full)) from error
                raise dg.RetryRequested(max_retries=AGAIN_AFTER_FULL) from error
            if tried < TRANSIENT_RETRIES:
                pause = pause_before_retry(tried, transient.retry_after)
                log.warning("%s: %s; trying again in %g s", stage.value, one_line(transient), pause)
                rest(pause)
                raise dg.RetryRequested(max_retries=TRANSIENT_RETRIES) from error
            raise failure("transient", stage, one_line(transient)) from error
        log.exception("%s: unexpected", stage.value)
        if tried < UNKNOWN_RETRIES:
            rest(pause_before_retry(tried, None))
            raise dg.RetryRequested(max_retries=UNKNOWN_RETRIES) from error
        raise failure("unknown", stage, plain_words(error)) from error


def as_transient(error: Exception) -> TransientError | None:
    """The error as a TransientError; None where it is not one. Covers full disks, which can show up at any write, and
    the exceptions of Dagster's storage."""
    if isinstance(error, Full):
        return error
    if (isinstance(error, OSError) and error.errno in _NO_ROOM) or "database or disk is full" in str(error):
        return Full(f"the disk is full: {one_line(error, 200)}; make room")
    if isinstance(error, TransientError):
        return error
    if any(each.__name__ in STORAGE_ERRORS for each in type(error).__mro__):
        return TransientError(f"Dagster's storage did not answer: {one_line(error, 200)}")
    return None


def plain_words(error: Exception) -> str:
    """One line about an error, for the person who has to act on it."""
    if isinstance(error, PermanentError | TransientError):
        return one_line(error)
    return f"unexpected {type(error).__name__}: {one_line(error, 200)}; the run's log has the details"


def failure(kind: str, stage: Stage, message: str) -> dg.Failure:
    """A Failure with the metadata that the status sensor reads."""
    metadata = {"kind": kind, "stage": stage.value, "message": message}
    return dg.Failure(description=message, metadata=metadata, allow_retries=False)
