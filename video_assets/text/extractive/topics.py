"""Where a talk changes its subject: the most probable division of its words into topics.

After Utiyama and Isahara, "A Statistical Model for Domain-Independent Text Segmentation" (ACL 2001), with the
word distributions integrated out as Eisenstein and Barzilay do (EMNLP 2008): each topic draws its words from a
distribution of its own, and the division that explains the words in the fewest bits wins. It needs no training,
and finds the number of topics itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

MOST_UNITS = 300
MOST_WORK = 6_000_000
"""Longer talks are divided at every second, third, … sentence: the work grows with units times words."""
SHORTEST_SECONDS = 8.0
LONGEST_OF_SHORTEST = 120.0
SHORTEST_SHARE = 1 / 40
PRIOR = 0.05
"""How often each word of the talk counts as said in a topic before it is: lower makes topics of fewer words."""
TOPIC_COST = 2.75
"""What each further topic costs, times the logarithm of the number of words: higher gives fewer, longer topics."""
ANNOUNCED = 0.6
"""How much of that a topic costs whose first sentence announces it."""


def topic_starts(
    lines: Sequence[Sequence[str]], times: Sequence[tuple[float, float]], announced: Collection[int] = ()
) -> list[int]:
    """The number of the first sentence of each topic, rising, beginning with 0; empty for no sentences.

    `lines`: each sentence's meaningful words, folded. `times`: (start, end) of each, seconds. `announced`: the
    numbers of sentences that say themselves that something new begins.
    """
    if not lines:
        return []
    most = min(MOST_UNITS, max(1, 2 * MOST_WORK // (1 + sum(map(len, lines)))))
    step = -(-len(lines) // most)
    firsts = list(range(0, len(lines), step))
    units = [[word for line in lines[first : first + step] for word in line] for first in firsts]
    ends = [times[min(first + step, len(times)) - 1][1] for first in firsts]
    starts = [times[first][0] for first in firsts]
    duration = max(ends) - starts[0]
    shortest = min(max(duration * SHORTEST_SHARE, SHORTEST_SECONDS), LONGEST_OF_SHORTEST)
    opening = {unit for unit, first in enumerate(firsts) if any(first <= at < first + step for at in announced)}
    parts = [firsts[unit] for unit in _divided(units, starts, ends, shortest, opening)]
    return parts if step == 1 else _refined(lines, parts, step)


def _divided(
    units: Sequence[Sequence[str]], starts: Sequence[float], ends: Sequence[float], shortest: float, opening: set[int]
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
        total, cost = 0, topic_cost * (ANNOUNCED if first in opening else 1.0)
        for last in range(first, len(units)):
            cost += _add(counts, total, units[last], vocabulary)
            total += len(units[last])
            whole = first == 0 and last == len(units) - 1
            if ends[last] - starts[first] < shortest and not whole:
                continue
            if costs[first] + cost < costs[last + 1] - 1e-9:
                costs[last + 1], previous[last + 1] = costs[first] + cost, first
    parts, at = [], len(units)
    while at > 0:
        at = previous[at]
        parts.append(at)
    return parts[::-1]


def _add(counts: Counter[str], total: int, words: Sequence[str], vocabulary: int) -> float:
    """Counts the words on top of `total` others, and returns what they cost there: how unexpected they are."""
    cost = 0.0
    for word in words:
        cost += math.log((total + PRIOR * vocabulary) / (counts[word] + PRIOR))
        counts[word] += 1
        total += 1
    return cost


def _refined(lines: Sequence[Sequence[str]], parts: Sequence[int], step: int) -> list[int]:
    """Each boundary between two parts moved to the best sentence nearby: the division was coarser."""
    vocabulary = len({word for line in lines for word in line})
    refined = list(parts)
    for at in range(1, len(parts)):
        first, last = refined[at - 1], parts[at + 1] if at + 1 < len(parts) else len(lines)
        low, high = max(first + 1, parts[at] - step), min(last - 1, parts[at] + step)
        before = _costs(lines[first:high], vocabulary)
        after = _costs(lines[low:last][::-1], vocabulary)
        costs = {cut: before[cut - first - 1] + after[last - cut - 1] for cut in range(low, high + 1)}
        refined[at] = min(costs, key=costs.__getitem__)
    return refined


def _costs(lines: Sequence[Sequence[str]], vocabulary: int) -> list[float]:
    """What the first line costs as one part, the first two, and so on."""
    counts: Counter[str] = Counter()
    costs, total, cost = [], 0, 0.0
    for line in lines:
        cost += _add(counts, total, line, vocabulary)
        total += len(line)
        costs.append(cost)
    return costs
