"""Runs that we end ourselves, and the cause.

The cause is written into tags of the run, and the projection reads it from there. It is written before the run ends, so
that every reader of the end finds it.
"""

from __future__ import annotations

import dagster as dg

from video_assets.errors import one_line
from video_assets.videos import EndCause

CAUSE_TAG, WORDS_TAG = "video_assets/cause", "video_assets/cause_words"


def give_up(instance: dg.DagsterInstance, run: dg.DagsterRun, cause: EndCause, words: str) -> None:
    """Ends the run as failed, with this cause. `words`: one line for the user, what happened and what to do."""
    words = one_line(words)
    instance.add_run_tags(run.run_id, {CAUSE_TAG: f"{cause}/{run.run_id}", WORDS_TAG: words})
    instance.report_run_failed(run, message=words)


def given_up(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The cause and the words of a run that `give_up` ended; None for any other run. The tag names its run, because a
    re-execution copies its parent's tags."""
    cause, _, run_id = run.tags.get(CAUSE_TAG, "").partition("/")
    return (cause, run.tags.get(WORDS_TAG, "")) if cause and run_id == run.run_id else None
