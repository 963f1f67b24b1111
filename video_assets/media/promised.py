"""How long a file says it is, where its container says so in its first bytes: half an upload is told by that."""

from __future__ import annotations

HEAD_BYTES = 4096
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def promised_bytes(head: bytes) -> int | None:
    """Bytes that the whole file must have at least, by its first `HEAD_BYTES`; None where it does not say.

    Matroska and WebM give the length of their segment, AVI that of its first list. MP4 has an index to look at
    instead, and the other containers promise nothing.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return int.from_bytes(head[4:8], "little") + 8
    if head[:4] != _EBML:
        return None
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
