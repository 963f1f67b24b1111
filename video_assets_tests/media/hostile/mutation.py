"""Small changes to small files, the same for the same seed; and those of them that once proved something wrong."""

from __future__ import annotations

import random
import struct

from video_assets_tests.media.hostile.kit import CONTAINERS, Hostile, Kit
from video_assets_tests.media.hostile.outcomes import DAMAGED

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)


def nth(kit: Kit, seed: int, number: int) -> tuple[str, bytes]:
    """Name and bytes of the fuzzer's file of this number."""
    choose = random.Random(f"{seed}-{number}")
    ending, other = choose.choice(list(CONTAINERS)), choose.choice(list(CONTAINERS))
    return f"fuzz-{seed}-{number}.{ending}", mutated(kit.clip(ending), kit.clip(other), choose)


def mutated(data: bytes, other: bytes, choose: random.Random) -> bytes:
    """The data with one to eight changes. Headers, at both ends, are hit more often than what lies between."""
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 2, 4, 8))):
        _change(changed, other, choose)
    return bytes(changed)


def _place(changed: bytearray, choose: random.Random) -> int:
    size = max(1, len(changed) - 8)
    near = min(size, 2500)
    return choose.choice((choose.randrange(size), choose.randrange(near), size - 1 - choose.randrange(near)))


def _change(changed: bytearray, other: bytes, choose: random.Random) -> None:
    at, how = _place(changed, choose), choose.randrange(8)
    length = choose.choice((1, 4, 16, 200, 5000))
    if how == 0:
        changed[at] ^= 1 << choose.randrange(8)
    elif how == 1:
        changed[at : at + 4] = struct.pack(choose.choice(("<I", ">I")), choose.choice(INTERESTING))
    elif how == 2:
        changed[at : at + length] = bytes([choose.choice((0, 0xFF))]) * length
    elif how == 3:
        del changed[at : at + length]
    elif how == 4:
        changed[at:at] = changed[at : at + length] * choose.choice((1, 2, 50))
    elif how == 5:
        there = _place(changed, choose)
        changed[at : at + length], changed[there : there + length] = (
            changed[there : there + length],
            changed[at : at + length],
        )
    elif how == 6:
        from_there = choose.randrange(len(other))
        changed[at : at + length] = other[from_there : from_there + length]
    else:
        del changed[max(64, at) :]


FILES = [
    # The sound chosen had no channels, and the ladder was a rung of nothing.
    Hostile("fuzz-7-16.mpg", lambda kit: nth(kit, 7, 16)[1], DAMAGED, quick=True),
]
