"""The size that a container's headers declare for the file. A file that is smaller is an upload that broke off."""

from __future__ import annotations

from typing import BinaryIO

_HEAD = 4096
_UNKNOWN_SIZE = (0, 2**32 - 1)
"""RIFF sizes that a writer leaves in the header when it does not know the size yet."""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_OGG_PAGE = 27 + 255 + 255 * 255
"""The longest Ogg page, in bytes."""
_SLACK = 4096
"""Bytes that a WAV or MP3 file may lack: tagging programs cut at its end, and writers count differently."""


def promised_bytes(file: BinaryIO) -> int | None:
    """The least size in bytes that this open file has if it is complete; None if its headers do not say.

    Matroska and WebM declare the length of their segment, AVI and WAV that of their RIFF list, WMV that of the file,
    MP3 that of its frames, and the last page of an Ogg file its own length. MP4 and FLAC are not handled here:
    `probe_child` checks their index and their duration. The other containers declare nothing.
    """
    head = file.read(_HEAD)
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WAVE"):
        size = int.from_bytes(head[4:8], "little")
        return None if size in _UNKNOWN_SIZE else size + 8 - (_SLACK if head[8:12] == b"WAVE" else 0)
    if head[:4] == _EBML:
        return _matroska_bytes(head)
    if head[:4] == b"OggS":
        return _ogg_bytes(file)
    if (at := head.find(_ASF_PROPERTIES)) >= 0:
        live = int.from_bytes(head[at + 88 : at + 92], "little") & 1
        return None if live else int.from_bytes(head[at + 40 : at + 48], "little")
    return _mp3_bytes(file, head)


def _matroska_bytes(head: bytes) -> int | None:
    """Where the segment of a Matroska file ends; None for a segment of unknown length, as live streams have."""
    size, width = _vint(head, 4)
    segment = 4 + width + (size or 0)
    if size is None or head[segment : segment + 4] != _SEGMENT:
        return None
    length, width = _vint(head, segment + 4)
    return None if length is None else segment + 4 + width + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """An EBML number and its width in bytes. The number is None if it is incomplete, or unknown (all bits are 1)."""
    if at >= len(data) or data[at] == 0:
        return None, 1
    width = 9 - data[at].bit_length()
    raw = data[at : at + width]
    value = int.from_bytes(raw, "big") & ((1 << 7 * width) - 1)
    return (None if len(raw) < width or value == (1 << 7 * width) - 1 else value), width


def _ogg_bytes(file: BinaryIO) -> int | None:
    """Where the last page of an Ogg file ends by its own segment table; None if even its header is incomplete."""
    begin = max(0, file.seek(0, 2) - _OGG_PAGE)
    file.seek(begin)
    tail = file.read()
    at = tail.rfind(b"OggS")
    table = tail[at + 27 : at + 27 + tail[at + 26]] if 0 <= at < len(tail) - 27 else b""
    return begin + at + 27 + tail[at + 26] + sum(table) if table else None


def _mp3_bytes(file: BinaryIO, head: bytes) -> int | None:
    """Where the last frame of an MP3 ends by the Xing or Info header in the first frame; None if there is none."""
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
