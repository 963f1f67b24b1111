"""How the C library keeps the memory of recognition, so that it does not grow with the recording's length.

The GNU C library maps large blocks from the system and unmaps them when they are freed, until the first is: from then
on it takes blocks of up to 32 MiB from its heaps. Recognition frees a hundred such blocks a window, of ever other
sizes, so that the heaps are soon full of gaps in which no next one fits, and grow from window to window. Large blocks
that stay mapped leave no gaps, at the price of their pages being cleared each time.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
"""Of malloc.h."""
LARGE_BYTES = 4 * 1024 * 1024
"""Blocks from this size on are mapped. Clearing their pages takes processor time: with a tiny model, all of whose
blocks are small, a sixth more than leaving them to the heaps; with 1 MiB here it would be a third, for 13 MB less."""


def map_large_blocks() -> None:
    """From now on and for good, large blocks of this process go back to the system as soon as they are freed."""
    with suppress(OSError, AttributeError):  # only the GNU C library has it
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Has the C library return what was freed in its heaps, too."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
