"""Settings of the C library's allocator that keep the memory of recognition from growing with the recording.

At first the GNU C library maps each large block from the system and unmaps it when it is freed. But each time that it
frees one, it raises the size from which it does so (up to 32 MiB), and takes smaller blocks from its heaps. Recognition
frees a hundred such blocks in each window, in changing sizes. So the heaps get gaps in which no later block fits, and
grow from window to window. With a fixed size, large blocks stay mapped and leave no gaps. The price is that the kernel
clears their pages each time.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
"""From malloc.h."""
LARGE_BYTES = 4 * 1024 * 1024
"""Blocks of this size and more are mapped. Clearing their pages takes processor time: with the tiny model, whose blocks
are all small, a sixth more than with heaps. With 1 MiB it would be a third more, for 13 MB less memory."""


def map_large_blocks() -> None:
    """From now on, large blocks that this process frees go back to the system at once. It cannot be undone."""
    with suppress(OSError, AttributeError):  # only the GNU C library has it
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Makes the C library return the freed memory of its heaps to the system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
