"""The `video-assets` command."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The exit status of a command that was interrupted."""


def main() -> None:
    """The entry point."""
    try:
        # Imported here: loading takes a moment, in which Ctrl-C is no reason for a traceback either.
        from video_assets.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("video-assets: interrupted\n")
        sys.exit(INTERRUPTED)
    run()
