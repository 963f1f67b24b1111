"""Surgery on MP4: finds boxes, overwrites fields, puts other payloads in."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

NESTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf"}


@dataclass(frozen=True)
class Box:
    """A box where it lies: `path` as `moov/trak/mdia`, bytes from the file's start."""

    path: str
    offset: int
    size: int


def walk(data: bytes, start: int = 0, end: int | None = None, above: str = "") -> Iterator[Box]:
    """Every box, outer ones first."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > end:
            return
        path = f"{above}/{kind.decode('latin-1')}".lstrip("/")
        yield Box(path, at, size)
        if kind in NESTS:
            yield from walk(data, at + 8, at + size, path)
        at += size


def find(data: bytes, path: str, number: int = 0) -> Box:
    """The box of this path, counted from 0 where there are several."""
    return [box for box in walk(data) if box.path == path][number]


def poke(data: bytes, path: str, at: int, layout: str, *values: float | bytes, number: int = 0) -> bytes:
    """The data with fields overwritten, `at` bytes into the box's payload."""
    box, changed = find(data, path, number), bytearray(data)
    struct.pack_into(layout, changed, box.offset + 8 + at, *values)
    return bytes(changed)


def box(kind: bytes, payload: bytes) -> bytes:
    """A box of its own."""
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def payload(data: bytes, path: str, number: int = 0) -> bytes:
    """What is in a box."""
    found = find(data, path, number)
    return data[found.offset + 8 : found.offset + found.size]


def put(data: bytes, path: str, new: bytes, number: int = 0) -> bytes:
    """The data with another whole box (or none) in this one's place, all that hold it resized.

    What lies behind moves; in a file whose moov comes last nothing points there.
    """
    old = find(data, path, number)
    grown, changed = len(new) - old.size, bytearray(data)
    for around in walk(data):
        if around.offset < old.offset and around.offset + around.size >= old.offset + old.size:
            struct.pack_into(">I", changed, around.offset, around.size + grown)
    changed[old.offset : old.offset + old.size] = new
    return bytes(changed)


def add(data: bytes, path: str, new: bytes, number: int = 0) -> bytes:
    """The data with a box added at the end of this one."""
    old = find(data, path, number)
    return put(
        data, path, box(old.path.rsplit("/", 1)[-1].encode("latin-1"), payload(data, path, number) + new), number
    )
