"""Dagster's daemon, restarted when the clock is set back: `dagster-daemon run`, with the same arguments.

python -m video_assets.defs.instance.daemon --workspace workspace.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from video_assets.defs.instance.clock_watch import begin_anew_when_the_clock_is_set_back


def run(arguments: Sequence[str]) -> None:
    """Runs the daemon until it is told to stop."""
    from dagster._daemon.cli import run_command

    begin_anew_when_the_clock_is_set_back()
    run_command.main(args=list(arguments), prog_name="daemon", standalone_mode=False)


if __name__ == "__main__":
    run(sys.argv[1:])
