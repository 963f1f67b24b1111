"""The `video-assets` command: its commands, how their answers look, `doctor`, and the supervisor of `up`.

What a command does to videos is not here: it calls the rooms below.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The exit status of a command that was interrupted."""


def main() -> None:
    """The entry point."""
    try:
        # Imported here: loading takes a moment, and Ctrl-C must not print a traceback during it either.
        from video_assets.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("video-assets: interrupted\n")
        sys.exit(INTERRUPTED)
    run()
