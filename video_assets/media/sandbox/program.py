"""Finds the FFmpeg program to run."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg

from video_assets.errors import PermanentError


def ffmpeg() -> str:
    """The FFmpeg that IMAGEIO_FFMPEG_EXE names, else the one that came with imageio-ffmpeg. Raises PermanentError if
    there is none.

    The library tests a program by starting it, and takes the system's FFmpeg if that start is interrupted. So a video
    whose process was killed at that moment failed for good; another build would also encode differently. Therefore
    the library's own is looked for again here.
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
