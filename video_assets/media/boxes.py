"""Reads the boxes of a fragmented MP4 that we wrote: position and start time of each fragment, and the codecs.

Only headers are read: a few kilobytes for each minute of video, however large the file. A file that is inconsistent
or incomplete raises ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_HEADER_LIMIT = 64 * 2**20
"""Largest moov or moof read into memory, bytes."""


@dataclass(frozen=True)
class Fragment:
    """One moof with its mdat: bytes in the file, seconds in the video."""

    offset: int
    size: int
    start: float
    end: float


@dataclass(frozen=True)
class Layout:
    """A fragmented MP4: what comes before the first fragment, and the fragments."""

    init_size: int
    codecs: str
    """As in an HLS master playlist: `avc1.64001f,mp4a.40.2`."""
    fragments: tuple[Fragment, ...]
    size: int


@dataclass
class _Track:
    id: int = 0
    kind: str = ""
    timescale: int = 1
    codec: str = ""
    default_duration: int = 0
    shift: int = 0
    """What the edit list subtracts from the track's times, in its time units: the delay that B-frame reordering or an
    audio encoder's priming has added."""


@dataclass
class _Init:
    size: int = 0
    tracks: dict[int, _Track] = field(default_factory=dict)

    @property
    def leading(self) -> _Track:
        """The track whose times are the fragments' times: the video track if there is one, else the audio track."""
        tracks = sorted(self.tracks.values(), key=lambda track: track.kind != "vide")
        if not tracks:
            raise ValueError("no track")
        return tracks[0]


def read_layout(path: Path) -> Layout:
    """Reads the layout of a fragmented MP4. Raises ValueError if the file is something else, or incomplete."""
    try:
        return _read_layout(path)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"a box is too short ({error})") from None


def _read_layout(path: Path) -> Layout:
    init, fragments, size = _Init(), [], path.stat().st_size
    with path.open("rb") as file:
        moof: tuple[int, float, float] | None = None
        for kind, offset, length, header in _top_level(file, size):
            if kind == b"moov":
                init = _read_moov(_payload(file, offset, length, header))
                init.size = offset + length
            elif kind == b"moof":
                start, end = _read_moof(_payload(file, offset, length, header), init)
                moof = (offset, start, end)
            elif kind == b"mdat" and moof is not None:
                fragments.append(Fragment(moof[0], offset + length - moof[0], moof[1], moof[2]))
                moof = None
    if not fragments or moof is not None:
        raise ValueError("no whole fragment")
    codecs = ",".join(track.codec for track in sorted(init.tracks.values(), key=lambda track: track.kind != "vide"))
    return Layout(init.size, codecs, tuple(fragments), size)


def _top_level(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Kind, offset, length and header length of each box in the file."""
    offset = 0
    while offset < size:
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:
            raise ValueError("it ends inside a box")
        length, kind, header = *struct.unpack(">I4s", head[:8]), 8
        if length == 1:
            if len(head) < 16:
                raise ValueError("it ends inside a box")
            length, header = struct.unpack(">Q", head[8:16])[0], 16
        if length < header or offset + length > size:
            raise ValueError("a box reaches beyond the end")
        yield kind, offset, length, header
        offset += length


def _payload(file: BinaryIO, offset: int, length: int, header: int) -> bytes:
    if length > _HEADER_LIMIT:
        raise ValueError("a header is too long")
    file.seek(offset + header)
    return file.read(length - header)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and payload of each box in the data."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > len(data):
            raise ValueError("a box does not fit where it is")
        yield kind, data[at + 8 : at + length]
        at += length


def _find(data: bytes, *path: bytes) -> bytes:
    """The payload of the box at this path, such as `mdia`, `mdhd`; empty if there is none."""
    for name in path:
        data = next((payload for kind, payload in _boxes(data) if kind == name), b"")
    return data


def _read_moov(data: bytes) -> _Init:
    init = _Init()
    mvhd = _find(data, b"mvhd")
    movie_scale = struct.unpack_from(">I", mvhd, 20 if mvhd[:1] == b"\1" else 12)[0] or 1
    for kind, payload in _boxes(data):
        if kind == b"trak":
            track = _read_trak(payload, movie_scale)
            init.tracks[track.id] = track
    for kind, payload in _boxes(_find(data, b"mvex")):
        if kind == b"trex":
            track_id, _, duration = struct.unpack_from(">III", payload, 4)
            if track_id in init.tracks:
                init.tracks[track_id].default_duration = duration
    return init


def _read_trak(data: bytes, movie_scale: int) -> _Track:
    tkhd, mdhd, hdlr = _find(data, b"tkhd"), _find(data, b"mdia", b"mdhd"), _find(data, b"mdia", b"hdlr")
    track = _Track(
        id=struct.unpack_from(">I", tkhd, 20 if tkhd[:1] == b"\1" else 12)[0],
        kind=hdlr[8:12].decode("ascii", "replace"),
        timescale=struct.unpack_from(">I", mdhd, 20 if mdhd[:1] == b"\1" else 12)[0] or 1,
    )
    track.shift = _shift(_find(data, b"edts", b"elst"), track.timescale / movie_scale)
    for kind, payload in _boxes(_find(data, b"mdia", b"minf", b"stbl", b"stsd")[8:]):
        if kind == b"avc1":
            profile = next((box[1:4] for name, box in _boxes(payload[78:]) if name == b"avcC"), b"")
            track.codec = f"avc1.{profile.hex()}"
        elif kind == b"mp4a":
            track.codec = "mp4a.40.2"  # AAC-LC: the ladder makes and copies no other audio codec
        break
    if not track.codec:
        raise ValueError("a codec that the ladder does not make")
    return track


def _shift(elst: bytes, scale: float) -> int:
    """The media time at which the first edit begins, minus the length of the empty edits before it.

    `elst`: payload of the edit list box. `scale`: the track's time units in one time unit of the movie.
    """
    entry = ">Qqhh" if elst[:1] == b"\1" else ">Iihh"
    count = struct.unpack_from(">I", elst, 4)[0] if len(elst) >= 8 else 0
    empty = 0
    for number in range(min(count, 8)):
        length, media_time, _, _ = struct.unpack_from(entry, elst, 8 + number * struct.calcsize(entry))
        if media_time >= 0:
            return int(media_time) - empty
        empty += round(length * scale)
    return -empty


def _read_moof(data: bytes, init: _Init) -> tuple[float, float]:
    """When the leading track begins and ends in this fragment, in seconds."""
    leading = init.leading
    first: float | None = None
    latest, last = float("-inf"), 0.0
    for kind, traf in _boxes(data):
        if kind != b"traf":
            continue
        default, base, dts = leading.default_duration, 0, 0
        for name, box in _boxes(traf):
            flags = int.from_bytes(box[1:4], "big")
            if name == b"tfhd":
                if struct.unpack_from(">I", box, 4)[0] != leading.id:
                    break
                at = 8 + 8 * bool(flags & 1) + 4 * bool(flags & 2)
                default = struct.unpack_from(">I", box, at)[0] if flags & 8 else default
            elif name == b"tfdt":
                base = struct.unpack_from(">Q" if box[0] == 1 else ">I", box, 4)[0]
                dts = base
            elif name == b"trun":
                for duration, shown_after in _samples(box, flags, default):
                    shown = (dts + shown_after - leading.shift) / leading.timescale
                    first = shown if first is None else min(first, shown)
                    if shown >= latest:  # samples are in decoding order: with B-frames the last one is not shown last
                        latest, last = shown, shown + duration / leading.timescale
                    dts += duration
    if first is None:
        raise ValueError("a fragment without the leading track")
    return first, last


def _samples(trun: bytes, flags: int, default: int) -> Iterator[tuple[int, int]]:
    """Duration and composition offset of each sample, in the track's time units."""
    count = struct.unpack_from(">I", trun, 4)[0]
    at = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    width = 4 * sum(bool(flags & flag) for flag in (0x100, 0x200, 0x400, 0x800))
    if at + count * width > len(trun):
        raise ValueError("a run is shorter than it says")
    for _ in range(count):
        duration = struct.unpack_from(">I", trun, at)[0] if flags & 0x100 else default
        shown = struct.unpack_from(">i", trun, at + width - 4)[0] if flags & 0x800 else 0
        yield duration, shown
        at += width
