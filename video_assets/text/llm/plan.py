"""The shape of a summary's making: which notes are taken, and which of them are merged with which."""

from __future__ import annotations

from dataclasses import dataclass

MERGED_AT_ONCE = 5
MOST_AT_THE_END = 10
"""The summary is written from at most so many notes; of more, each five are merged first, as often as it takes."""


@dataclass(frozen=True)
class Merge:
    """Consecutive notes of the level below that become one."""

    first: int
    last: int
    """Exclusive."""

    @property
    def calls(self) -> int:
        """One left over alone is taken as it is."""
        return int(self.last - self.first > 1)


@dataclass(frozen=True)
class Plan:
    """`levels[0]` merges the chunks' notes, `levels[1]` what came of that, and so on; then the summary is written."""

    chunks: int
    levels: tuple[tuple[Merge, ...], ...]

    @property
    def calls(self) -> int:
        """Questions in all, repairs not counted."""
        return self.chunks + sum(merge.calls for level in self.levels for merge in level) + bool(self.chunks)


def plan(chunks: int) -> Plan:
    """The plan for so many chunks."""
    levels = []
    count = chunks
    while count > MOST_AT_THE_END:
        merges = tuple(Merge(first, min(first + MERGED_AT_ONCE, count)) for first in range(0, count, MERGED_AT_ONCE))
        levels.append(merges)
        count = len(merges)
    return Plan(chunks, tuple(levels))
