"""From the project's errors to Dagster's: what is tried again, and the words a user reads.

A RetryPolicy would apply to every exception alike, bad input included, so there is none.
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
"""Of the pauses. The four come to nearly three minutes: a search server that is started again takes one, and no
video is to fail for that."""
AGAIN_AFTER_FULL = 1_000
"""Tries of a stage that found no room: it waits for room before each, so they are days."""
_NEVER_AGAIN = sys.maxsize
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
STORAGE_ERRORS = frozenset({"OperationalError", "InterfaceError", "DagsterPostgresException"})
"""Names of what Dagster raises where its storage is away; by name, as a failure that was kept has only that."""


Rest = Callable[[float], None]
"""Waits so many seconds, and gives signs of life meanwhile: Dagster's own pause before a retry is a silence, and
whoever is silent for long is taken for dead."""


def pause_before_retry(retry_number: int, retry_after: float | None) -> float:
    """Seconds until the next try: growing, or what the other side asked for (five minutes at most)."""
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
    """Turns whatever is raised inside into a Failure or a RetryRequested that says kind, stage and message. Before
    it asks for a retry it rests; where a disk is full, until there is room. `retry_number`: how often the step was
    tried again already; None where it must not be."""
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
    """The error if it is the world's; Dagster's own storage says in words of its own that it is away, and a full disk
    is met wherever something is written."""
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
    """One line about an error, for whoever has to act on it."""
    if isinstance(error, PermanentError | TransientError):
        return one_line(error)
    return f"unexpected {type(error).__name__}: {one_line(error, 200)}; the run's log has the details"


def failure(kind: str, stage: Stage, message: str) -> dg.Failure:
    """The Failure whose metadata the status sensor reads."""
    metadata = {"kind": kind, "stage": stage.value, "message": message}
    return dg.Failure(description=message, metadata=metadata, allow_retries=False)
