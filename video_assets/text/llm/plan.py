"""Plans the calls for a summary: how many notes are taken, and which of them are merged."""

from __future__ import annotations

from dataclasses import dataclass

MERGED_AT_ONCE = 5
MOST_AT_THE_END = 10
"""The summary is written from at most this many notes. If there are more, each `MERGED_AT_ONCE` are merged into one,
repeatedly."""


@dataclass(frozen=True)
class Merge:
    """Consecutive notes of the level below that are merged into one."""

    first: int
    last: int
    """Exclusive."""

    @property
    def calls(self) -> int:
        """1, or 0 for a single note, which needs no merging."""
        return int(self.last - self.first > 1)


@dataclass(frozen=True)
class Plan:
    """`levels[0]` merges the chunks' notes, `levels[1]` the results, and so on. Then the summary is written."""

    chunks: int
    levels: tuple[tuple[Merge, ...], ...]

    @property
    def calls(self) -> int:
        """The number of calls, without second tries."""
        return self.chunks + sum(merge.calls for level in self.levels for merge in level) + bool(self.chunks)


def plan(chunks: int) -> Plan:
    """The plan for this many chunks."""
    levels = []
    count = chunks
    while count > MOST_AT_THE_END:
        merges = tuple(Merge(first, min(first + MERGED_AT_ONCE, count)) for first in range(0, count, MERGED_AT_ONCE))
        levels.append(merges)
        count = len(merges)
    return Plan(chunks, tuple(levels))
