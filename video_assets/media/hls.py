"""HLS playlists: a media playlist with byte ranges of one file for each rung, and a master playlist of all rungs."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video_assets.media.boxes import Fragment, Layout, read_layout


@dataclass(frozen=True)
class Segment:
    """Part of a rung's file: bytes, and how long it plays in seconds."""

    duration: float
    offset: int
    size: int


@dataclass(frozen=True)
class Playlist:
    """A media playlist over one fMP4 file."""

    init_size: int
    """Bytes of the initialisation section at the file's start."""
    segments: tuple[Segment, ...]

    @property
    def duration(self) -> float:
        return sum(segment.duration for segment in self.segments)

    @property
    def starts(self) -> list[float]:
        """When each segment begins, counted from the first; seconds."""
        return [0.0, *itertools.accumulate(segment.duration for segment in self.segments)][: len(self.segments)]

    @property
    def bandwidth(self) -> int:
        """The highest bit rate of one segment, bit/s."""
        return max(math.ceil(8 * segment.size / max(segment.duration, 0.001)) for segment in self._peak_segments)

    @property
    def average_bandwidth(self) -> int:
        """Bit rate of all segments together, bit/s."""
        return math.ceil(8 * sum(segment.size for segment in self.segments) / max(self.duration, 0.001))

    @property
    def _peak_segments(self) -> Sequence[Segment]:
        """The segments that count for the peak. RFC 8216 leaves out short ones, such as a last one of a few frames."""
        target = max(segment.duration for segment in self.segments)
        return [segment for segment in self.segments if segment.duration >= target / 2]


def write(playlist: Playlist, uri: str) -> str:
    """The playlist as text. `uri` is the media file; it is escaped here, so that no name can add a line."""
    target = max(1, math.ceil(max(segment.duration for segment in playlist.segments) - 0.5))
    quoted = _safe(uri)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{quoted}",BYTERANGE="{playlist.init_size}@0"',
    ]
    for segment in playlist.segments:
        lines += [f"#EXTINF:{segment.duration:.6f},", f"#EXT-X-BYTERANGE:{segment.size}@{segment.offset}", quoted]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def read(text: str) -> Playlist:
    """Reads a playlist that `write` wrote. Raises ValueError if the text is something else, or incomplete."""
    lines = text.split("\n")
    if lines[0] != "#EXTM3U" or lines[-2:] != ["#EXT-X-ENDLIST", ""]:
        raise ValueError("no whole playlist")
    init = re.search(r'^#EXT-X-MAP:URI="[^"\n]+",BYTERANGE="(\d{1,15})@0"$', text, re.MULTILINE)
    entry = r"^#EXTINF:(\d{1,9}\.\d{1,6}),\n#EXT-X-BYTERANGE:(\d{1,15})@(\d{1,15})\n[^#\n]+$"
    found = re.findall(entry, text, re.MULTILINE)
    if init is None or not found or len(found) != text.count("#EXTINF"):
        raise ValueError("no playlist of byte ranges")
    segments = (Segment(float(duration), int(offset), int(size)) for duration, size, offset in found)
    return Playlist(int(init[1]), tuple(segments))


def of_file(path: Path, key_times: Sequence[float] | None) -> tuple[Playlist, Layout]:
    """The playlist of a fragmented MP4, and its layout.

    Without `key_times`, each fragment is a segment. With them (seconds), a fragment that begins at one of these times
    starts a segment, and every other fragment belongs to the segment before it. Raises ValueError if the file is
    incomplete.
    """
    layout = read_layout(path)
    return Playlist(layout.init_size, tuple(segments(layout.fragments, key_times))), layout


def segments(fragments: Sequence[Fragment], key_times: Sequence[float] | None) -> list[Segment]:
    """The segments that these fragments make; see `of_file`."""
    groups = group(fragments, key_times)
    ends = [following[0].start for following in groups[1:]] + [max(fragment.end for fragment in groups[-1])]
    return [
        Segment(round(end - parts[0].start, 6), parts[0].offset, sum(part.size for part in parts))
        for parts, end in zip(groups, ends, strict=True)
    ]


def group(fragments: Sequence[Fragment], key_times: Sequence[float] | None) -> list[list[Fragment]]:
    """The fragments of each segment."""
    if key_times is None:
        return [[fragment] for fragment in fragments]
    groups: list[list[Fragment]] = []
    shift = fragments[0].start - key_times[0]  # a rung's times may have another origin than the source's
    waiting = list(reversed(key_times))
    for fragment in fragments:
        begins = not groups
        while waiting and fragment.start - shift >= waiting[-1] - 0.003:
            waiting.pop()
            begins = True
        groups.append([fragment]) if begins else groups[-1].append(fragment)
    return groups


def master(rungs: Sequence[Mapping[str, Any]], uri: Callable[[str], str] = "{}.m3u8".format) -> str:
    """The master playlist of these rungs, in their order. `rungs`: rows of `inspect.variants`. `uri`: makes the address
    of a rung's media playlist from its name."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rung in rungs:
        attributes = [f"BANDWIDTH={rung['bandwidth']}", f"AVERAGE-BANDWIDTH={rung['average_bandwidth']}"]
        attributes.append(f'CODECS="{_safe(rung["codecs"])}"')
        if rung["width"] and rung["height"]:
            attributes += [f"RESOLUTION={rung['width']}x{rung['height']}", f"FRAME-RATE={rung['fps']:.3f}"]
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", _safe(uri(rung["name"]))]
    return "\n".join([*lines, ""])


def _safe(uri: str) -> str:
    return re.sub(r'[\s"#]', lambda odd: f"%{ord(odd[0]):02X}" if ord(odd[0]) < 128 else "", uri)
