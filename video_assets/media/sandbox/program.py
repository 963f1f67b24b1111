"""Which FFmpeg runs."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg

from video_assets.errors import PermanentError


def ffmpeg() -> str:
    """The one that IMAGEIO_FFMPEG_EXE names, else the one that came with imageio-ffmpeg. PermanentError where there is
    none.

    The library starts a program to see whether it is one, and goes on to the system's own where that start is broken
    off: a process killed in that moment failed a video for good, and another build would have made other pictures.
    """
    try:
        found: str = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        found = ""
    if found not in ("", "ffmpeg"):
        return found
    with_the_library = sorted(Path(imageio_ffmpeg.__file__).parent.glob("binaries/ffmpeg-*"))
    if with_the_library:
        return str(with_the_library[0])
    if not found:
        raise PermanentError("there is no FFmpeg here; run make install again, or set IMAGEIO_FFMPEG_EXE to one")
    return found
