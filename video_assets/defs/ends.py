"""Runs that we give up ourselves, and why.

The cause stands in tags of the run, from where the projection takes it. It is written before the run ends: whoever
hears of the end finds it there.
"""

from __future__ import annotations

from typing import Literal

import dagster as dg

from video_assets.errors import one_line

Cause = Literal["worker_lost", "launch_lost", "handed_back"]
"""`worker_lost`: its worker died or fell silent. `launch_lost`: nobody began it in time. `handed_back`: its worker was
told to stop. None of them is the video's fault."""

CAUSE_TAG, WORDS_TAG = "video_assets/cause", "video_assets/cause_words"


def give_up(instance: dg.DagsterInstance, run: dg.DagsterRun, cause: Cause, words: str) -> None:
    """Ends the run as failed. `words`: one line for its user, what happened and what to do."""
    words = one_line(words)
    instance.add_run_tags(run.run_id, {CAUSE_TAG: f"{cause}/{run.run_id}", WORDS_TAG: words})
    instance.report_run_failed(run, message=words)


def given_up(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The cause and the words of a run that was given up; None of any other. The tag names its run, as one that is
    executed again has the tags of the run before."""
    cause, _, run_id = run.tags.get(CAUSE_TAG, "").partition("/")
    return (cause, run.tags.get(WORDS_TAG, "")) if cause and run_id == run.run_id else None
