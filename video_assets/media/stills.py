"""Poster and storyboard, made in the FFmpeg process that encodes the ladder, so that the source is decoded once.

That process writes ten candidates for the poster, and the storyboard's sprite. `finish` then chooses the poster and
writes the storyboard's cues.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from video_assets.errors import PermanentError
from video_assets.media.ladder import size_for
from video_assets.media.probe import Cover, Probe

VERSION = "stills-3"
FILES = ("poster.jpg", "storyboard.jpg", "storyboard.vtt")
POSTER_SIDE = 720
"""Short side of the poster at most, pixels."""

_CANDIDATES = 10
_TILE_SIDE = 160
"""Long side of a tile of the storyboard, pixels."""
_TILES = 100
_LEAST_INTERVAL = 1.0
_BLANK = 0.25
"""A candidate whose JPEG is smaller than this part of the largest one's is blank: black, or a fade."""
_PICTURE = {"out_range": "pc", "out_color_matrix": "bt601"}
"""A JPEG does not declare its colours: viewers assume full range and this matrix."""
# bitexact and no metadata: the same picture gives the same bytes. yuvj420p: 4:2:0 in full range, as JPEG has it.
_JPEG = {"fflags": "+bitexact", "flags:v": "+bitexact", "map_metadata": -1, "c:v": "mjpeg", "pix_fmt": "yuvj420p"}
# Two pictures, the second over the first (`update`); see `_begun_with_black`. passthrough: no frame is repeated.
_OVERWRITTEN = {"format": "image2", "update": 1, "fps_mode": "passthrough", "frames:v": 2}


@dataclass(frozen=True)
class Grid:
    """The storyboard's layout: tiles of `width` x `height` pixels in rows, one for every `interval` seconds."""

    interval: float
    count: int
    columns: int
    rows: int
    width: int
    height: int


def grid(probe: Probe) -> Grid:
    """The layout for this video: at most a hundred tiles, at least a second apart. No tiles without video."""
    interval = max(_LEAST_INTERVAL, probe.duration / _TILES)
    count = max(1, min(_TILES, math.ceil(probe.duration / interval - 0.5)))
    columns = min(10, count)
    video = probe.video
    if video is None:
        return Grid(interval, 0, 0, 0, 0, 0)
    long_side, short_side = max(video.display_width, video.display_height), video.short_side
    tile_short_side = max(2, round(_TILE_SIDE * short_side / long_side))
    width, height = size_for(video.display_width, video.display_height, tile_short_side)
    return Grid(interval, count, columns, math.ceil(count / columns), width, height)


def outputs(poster: Any, storyboard: Any, probe: Probe, folder: Path) -> list[Any]:
    """FFmpeg's outputs for the stills: ten candidates for the poster, and the sprite."""
    assert probe.video is not None
    tiles = grid(probe)
    width, height = size_for(
        probe.video.display_width, probe.video.display_height, min(POSTER_SIDE, probe.video.short_side)
    )
    step = max(probe.duration, 0.1) / _CANDIDATES
    # fps takes the frame nearest to each moment; eof_action=pass also the last frame, however short the video is.
    candidates = poster.filter("fps", fps=f"{1 / step:.6f}", eof_action="pass").filter(
        "scale", width, height, **_PICTURE
    )
    sprite = (
        storyboard.filter("fps", fps=f"{1 / tiles.interval:.6f}", eof_action="pass")
        .filter("scale", tiles.width, tiles.height, flags="area", **_PICTURE)
        .filter("tile", f"{tiles.columns}x{tiles.rows}")
    )
    sprite = _begun_with_black(sprite, tiles.columns * tiles.width, tiles.rows * tiles.height)
    # In an image pattern, a percent sign in the folder's name must be doubled.
    pattern = str(folder.absolute()).replace("%", "%%") + "/poster-%02d.jpg"
    return [
        ffmpeg.output(candidates, pattern, **_JPEG, format="image2", **{"q:v": 4, "frames:v": _CANDIDATES}),
        ffmpeg.output(
            sprite,
            str(folder.absolute() / "storyboard.jpg"),
            **_JPEG,
            **_OVERWRITTEN,
            **{"q:v": 5},
        ),
    ]


def cover_output(picture: Any, cover: Cover, folder: Path) -> Any:
    """FFmpeg's output for the poster of a file with sound and a cover picture, but no video."""
    width, height = size_for(cover.width, cover.height, POSTER_SIDE)
    poster = picture.filter("scale", width, height, **_PICTURE).filter("setsar", "1")
    return ffmpeg.output(
        poster,
        str(folder.absolute() / "poster-01.jpg"),
        **_JPEG,
        format="image2",
        update=1,
        **{"q:v": 3, "frames:v": 1},
    )


def waveform_output(sound: Any, folder: Path) -> Any:
    """FFmpeg's output for the poster of a file with sound alone: its waveform."""
    picture = _begun_with_black(sound.filter("showwavespic", s="1280x720", colors="white"), 1280, 720)
    return ffmpeg.output(picture, str(folder.absolute() / "poster-01.jpg"), **_JPEG, **_OVERWRITTEN)


def _begun_with_black(picture: Any, width: int, height: int) -> Any:
    """A picture that is ready only at the end of the encoding, with a black one before it, which it overwrites.

    FFmpeg reports no progress before each of its outputs has begun. Without the black picture it reported none until
    the end, and an encoding of more than a minute was ended as one that stands still.
    """
    black = ffmpeg.input(f"color=black:s={width}x{height}:r=1:d=1", format="lavfi")
    pictures = (each.filter("format", "yuvj420p").filter("setsar", "1") for each in (black, picture))
    # The picture at the end may have no time stamp, so both get their number as time, in seconds.
    return ffmpeg.concat(*pictures, n=2, v=1, a=0).filter("settb", "1").filter("setpts", "N")


def finish(folder: Path, probe: Probe) -> list[Path]:
    """Chooses the poster, writes the storyboard's cues and removes the other candidates. Returns the finished files.

    Without video there is no storyboard. Raises PermanentError if there is no candidate for the poster.
    """
    candidates = sorted(folder.glob("poster-*.jpg"))
    if not candidates:
        raise PermanentError("no picture could be taken from the video; convert it and upload it again")
    chosen = candidates[choose([path.stat().st_size for path in candidates])]
    chosen.replace(folder / "poster.jpg")
    for path in candidates:
        path.unlink(missing_ok=True)
    if (folder / "storyboard.jpg").exists():
        (folder / "storyboard.vtt").write_text(cues(grid(probe), probe.duration), encoding="utf-8")
    return [folder / name for name in FILES if (folder / name).exists()]


def choose(sizes: Sequence[int]) -> int:
    """Which candidate becomes the poster, by their JPEG sizes: the earliest with at least the median size of those that
    are not blank.

    At constant quality, the size of a JPEG measures how much detail it shows.
    """
    not_blank = [size for size in sizes if size >= _BLANK * max(sizes)]
    typical = statistics.median(not_blank)
    return next(at for at, size in enumerate(sizes) if size >= typical)


def cues(tiles: Grid, duration: float) -> str:
    """The WebVTT file from which a player knows which part of the sprite belongs to which time."""
    lines = ["WEBVTT", ""]
    for number in range(tiles.count):
        start = number * tiles.interval
        end = duration if number == tiles.count - 1 else start + tiles.interval
        row, column = divmod(number, tiles.columns)
        box = f"{column * tiles.width},{row * tiles.height},{tiles.width},{tiles.height}"
        lines += [f"{clock(start)} --> {clock(max(end, start + 0.001))}", f"storyboard.jpg#xywh={box}", ""]
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """`HH:MM:SS.mmm`."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 3_600_000:02d}:{milliseconds // 60_000 % 60:02d}:{milliseconds % 60_000 / 1000:06.3f}"
