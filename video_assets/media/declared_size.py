"""How long a file says it is, where its container says so: half an upload is told by that."""

from __future__ import annotations

from typing import BinaryIO

_HEAD = 4096
_UNSAID = (0, 2**32 - 1)
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_OGG_PAGE = 27 + 255 + 255 * 255
"""No page is longer."""
_SLACK = 4096
"""So many bytes may be missing of sound alone: taggers cut at its end, and not every writer counts alike."""


def promised_bytes(file: BinaryIO) -> int | None:
    """Bytes that the whole of this open file must have at least; None where it does not say.

    Matroska and WebM give the length of their segment, AVI and WAV that of their first list, WMV that of the file, MP3
    that of its frames; Ogg's last page tells how long it is itself. MP4 and FLAC have an index and a duration to look
    at instead, and the other containers promise nothing.
    """
    head = file.read(_HEAD)
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WAVE"):
        size = int.from_bytes(head[4:8], "little")
        return None if size in _UNSAID else size + 8 - (_SLACK if head[8:12] == b"WAVE" else 0)
    if head[:4] == _EBML:
        return _of_segment(head)
    if head[:4] == b"OggS":
        return _to_the_end_of_the_last_page(file)
    if (at := head.find(_ASF_PROPERTIES)) >= 0:
        live = int.from_bytes(head[at + 88 : at + 92], "little") & 1
        return None if live else int.from_bytes(head[at + 40 : at + 48], "little")
    return _of_frames(file, head)


def _of_segment(head: bytes) -> int | None:
    size, width = _vint(head, 4)
    segment = 4 + width + (size or 0)
    if size is None or head[segment : segment + 4] != _SEGMENT:
        return None
    length, width = _vint(head, segment + 4)
    return None if length is None else segment + 4 + width + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """An EBML number and its width; None where it is said to be unknown, or is none."""
    if at >= len(data) or data[at] == 0:
        return None, 1
    width = 9 - data[at].bit_length()
    raw = data[at : at + width]
    value = int.from_bytes(raw, "big") & ((1 << 7 * width) - 1)
    return (None if len(raw) < width or value == (1 << 7 * width) - 1 else value), width


def _to_the_end_of_the_last_page(file: BinaryIO) -> int | None:
    """Where the last page of an Ogg file ends by its own table; None where its head is not whole either."""
    begin = max(0, file.seek(0, 2) - _OGG_PAGE)
    file.seek(begin)
    tail = file.read()
    at = tail.rfind(b"OggS")
    table = tail[at + 27 : at + 27 + tail[at + 26]] if 0 <= at < len(tail) - 27 else b""
    return begin + at + 27 + tail[at + 26] + sum(table) if table else None


def _of_frames(file: BinaryIO, head: bytes) -> int | None:
    """What the first frame of an MP3 says of all of them."""
    begin = 0
    if head[:3] == b"ID3" and len(head) > 10:
        begin = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(begin)
        head = file.read(_HEAD)
    if head[:1] != b"\xff":
        return None
    at = max(head.find(b"Xing", 0, 64), head.find(b"Info", 0, 64))
    flags = int.from_bytes(head[at + 4 : at + 8], "big") if at > 0 else 0
    if not flags & 2:
        return None
    at += 12 if flags & 1 else 8
    return begin + int.from_bytes(head[at : at + 4], "big") - _SLACK
