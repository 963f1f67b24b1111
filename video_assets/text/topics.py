"""Where a talk changes its subject: the most probable division of its words into topics.

After Utiyama and Isahara, "A Statistical Model for Domain-Independent Text Segmentation" (ACL 2001):
each topic draws its words from a distribution of its own, and the division that explains the words in the
fewest bits wins. It needs no training, and finds the number of topics itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

MOST_UNITS = 300
"""Longer talks are divided at every second, third, … sentence: the work grows with the square."""
SHORTEST_SECONDS = 8.0
LONGEST_OF_SHORTEST = 120.0
SHORTEST_SHARE = 1 / 40
TOPIC_COST = 1.0
"""Weight of what each further topic costs: higher gives fewer, longer topics."""


def topic_starts(lines: Sequence[Sequence[str]], times: Sequence[tuple[float, float]]) -> list[int]:
    """The number of the first sentence of each topic, rising, beginning with 0; empty for no sentences.

    `lines`: each sentence's meaningful words, folded. `times`: (start, end) of each, seconds.
    """
    if not lines:
        return []
    step = -(-len(lines) // MOST_UNITS)
    firsts = list(range(0, len(lines), step))
    units = [[word for line in lines[first : first + step] for word in line] for first in firsts]
    ends = [times[min(first + step, len(times)) - 1][1] for first in firsts]
    starts = [times[first][0] for first in firsts]
    duration = max(ends) - starts[0]
    shortest = min(max(duration * SHORTEST_SHARE, SHORTEST_SECONDS), LONGEST_OF_SHORTEST)
    return [firsts[unit] for unit in _divided(units, starts, ends, shortest)]


def _divided(
    units: Sequence[Sequence[str]], starts: Sequence[float], ends: Sequence[float], shortest: float
) -> list[int]:
    """The cheapest division, as the first unit of each part."""
    vocabulary = len({word for unit in units for word in unit})
    topic_cost = TOPIC_COST * math.log(max(2, sum(map(len, units))))
    costs = [0.0] + [math.inf] * len(units)
    previous = [0] * (len(units) + 1)
    for first in range(len(units)):
        if costs[first] == math.inf:
            continue
        counts: Counter[str] = Counter()
        total, saved = 0, 0.0
        for last in range(first, len(units)):
            for word in units[last]:
                count = counts[word]
                saved += (count + 1) * math.log(count + 2) - count * math.log(count + 1)
                counts[word] = count + 1
            total += len(units[last])
            whole = first == 0 and last == len(units) - 1
            if ends[last] - starts[first] < shortest and not whole:
                continue
            cost = costs[first] + topic_cost + total * math.log(total + vocabulary or 1) - saved
            if cost < costs[last + 1] - 1e-9:
                costs[last + 1], previous[last + 1] = cost, first
    parts, at = [], len(units)
    while at > 0:
        at = previous[at]
        parts.append(at)
    return parts[::-1]
