"""A graph whose stages do nothing, five in a row as ours are: what is left is what running them costs.

`BENCH_EXECUTOR` names how a run executes its steps; it is part of the job, so that the code server and a run's
process agree on it.
"""

from __future__ import annotations

import os

import dagster as dg

MULTIPROCESS = "multiprocess"
EXECUTOR = dg.multiprocess_executor if os.environ.get("BENCH_EXECUTOR") == MULTIPROCESS else dg.in_process_executor


def _stage(name: str, *made_from: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=list(made_from))
    def stage() -> None:
        return None

    return stage


STAGES = [
    _stage("one"),
    _stage("two", "one"),
    _stage("three", "one"),
    _stage("four", "three"),
    _stage("five", "four"),
]

defs = dg.Definitions(
    assets=STAGES, jobs=[dg.define_asset_job("idle", selection="*", executor_def=EXECUTOR)], executor=EXECUTOR
)
