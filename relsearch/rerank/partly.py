"""The order of candidates of which only some were read: those trade places with each other, all others keep theirs.

So a candidate that nobody had the time to read is never behind one that the search put below it, wherever those that
were read stand; benchmarks.serving.partly_read compares other ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

PAST = 1e-6  # scores past the window lie below it


class Placed(NamedTuple):
    """A candidate's place in the search's order, and the score that it is shown with."""

    place: int
    score: float


class PartlyRead(NamedTuple):
    """All of a query's candidates in their new order, and the scores by place of those that were read."""

    order: list[Placed]
    read: Mapping[int, float]


def scores_below(lowest: float, count: int) -> list[float]:
    """Return `count` decreasing scores in (0, lowest) for candidates below the lowest reranked one."""
    return [lowest / (2 + turn) for turn in range(count)]


def past_window(turn: int, count: int) -> list[float]:
    """Return the scores of `count` candidates that begin `turn` places past the window, as `placed` gives them."""
    return scores_below(PAST, turn + count)[turn:]


def placed(read: Mapping[int, float], first: Sequence[int], beyond: int = 0) -> list[Placed]:
    """Return all candidates in their new order: `first` has their places in the order of the search.

    `read` has the scores of the places that were read; equal scores keep the order of places. What was not read is
    given scores between those around it; those of `beyond` candidates more, past the window, go on decreasing below
    `PAST`. So the order of scores is the order.
    """
    best_first = iter(sorted(read, key=lambda place: (-read[place], place)))
    order = [next(best_first) if place in read else place for place in first]
    found: list[float] = []
    above, gap = 1.0, 0
    for place in order:
        if place not in read:
            gap += 1
            continue
        found += [above - (above - read[place]) * (turn + 1) / (gap + 1) for turn in range(gap)]
        found.append(read[place])
        above, gap = read[place], 0
    found += scores_below(above, gap)
    found += scores_below(min(PAST, min(found, default=1.0)), beyond)
    past = range(len(first), len(first) + beyond)
    return [Placed(place, score) for place, score in zip([*order, *past], found, strict=True)]
