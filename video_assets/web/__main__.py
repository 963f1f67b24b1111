"""The web as a part of `video-assets up`: `python -m video_assets.web PARENT_PID HOST PORT`. It is killed when its
parent ends, for whatever reason."""

from __future__ import annotations

import ctypes
import signal
import sys

from video_assets.media.sandbox.confine import die_with_parent
from video_assets.settings import Settings
from video_assets.web.serve import serve


def main(arguments: list[str]) -> None:
    """The entry point."""
    parent, host, port = arguments
    # In the background of a script SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        die_with_parent(ctypes.CDLL(None), int(parent))
    serve(Settings.load(), host, int(port))


if __name__ == "__main__":
    main(sys.argv[1:])
