"""Topic segmentation: the most probable division of a talk into topics, by its words.

After Utiyama and Isahara, "A Statistical Model for Domain-Independent Text Segmentation" (ACL 2001), with the word
distributions integrated out as by Eisenstein and Barzilay (EMNLP 2008). Each topic has its own distribution of words,
and the division that explains the words in the fewest bits is chosen. It needs no training, and the number of topics
follows from the text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

MOST_UNITS = 300
MOST_WORK = 6_000_000
"""In longer talks, several sentences are one unit at first: the work grows with units times words."""
SHORTEST_SECONDS = 8.0
LONGEST_OF_SHORTEST = 120.0
SHORTEST_SHARE = 1 / 40
PRIOR = 0.05
"""The prior count of each word in each topic. A lower value gives topics with fewer different words."""
TOPIC_COST = 2.75
"""The cost of a topic is this times the logarithm of the number of words. A higher value gives fewer, longer topics."""
ANNOUNCED = 0.6
"""Factor on that cost for a topic whose first sentence announces it."""


def topic_starts(
    lines: Sequence[Sequence[str]], times: Sequence[tuple[float, float]], announced: Collection[int] = ()
) -> list[int]:
    """The number of each topic's first sentence, rising, beginning with 0; empty for no sentences.

    `lines`: the folded meaningful words of each sentence. `times`: (start, end) of each, in seconds. `announced`: the
    numbers of the sentences that announce a new topic.
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
    """The cheapest division: the first unit of each part."""
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
    """Adds the words to `counts`, which holds `total` words so far, and returns their cost: how unexpected they are."""
    cost = 0.0
    for word in words:
        cost += math.log((total + PRIOR * vocabulary) / (counts[word] + PRIOR))
        counts[word] += 1
        total += 1
    return cost


def _refined(lines: Sequence[Sequence[str]], parts: Sequence[int], step: int) -> list[int]:
    """The parts with each boundary moved to the best sentence nearby, since the units were of several sentences."""
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
    """The cost of the first line as one part, of the first two as one part, and so on."""
    counts: Counter[str] = Counter()
    costs, total, cost = [], 0, 0.0
    for line in lines:
        cost += _add(counts, total, line, vocabulary)
        total += len(line)
        costs.append(cost)
    return costs
