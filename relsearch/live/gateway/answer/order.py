"""The order of hits of which some were read: those that were trade places with each other, all others keep theirs.

So a hit that nobody had the time to read is never behind one that the engine put below it, wherever those that were
read stand; benchmarks.serving.partly_read compares other ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from relsearch.rerank.deadline import scores_below

PAST = 1e-6  # scores past the window lie below it


def past_window(turn: int, count: int) -> list[float]:
    """Return the scores of `count` hits that begin `turn` places past the window, as `placed` gives them."""
    return scores_below(PAST, turn + count)[turn:]


class Placed(NamedTuple):
    """A hit's place in the engine's answer, and the score that it is shown with."""

    place: int
    score: float


def placed(scores: Mapping[int, float], window: int, count: int) -> list[Placed]:
    """Return all `count` hits in their new order; `scores` has those of the first `window` that were read.

    Equal scores keep the engine's order. What was not read is given scores between those around it, and the hits past
    the window go on decreasing below `PAST`, so that the order of scores is the order.
    """
    best_first = iter(sorted(scores, key=lambda place: (-scores[place], place)))
    order = [next(best_first) if place in scores else place for place in range(window)]
    found: list[float] = []
    above, gap = 1.0, 0
    for place in order:
        if place not in scores:
            gap += 1
            continue
        found += [above - (above - scores[place]) * (turn + 1) / (gap + 1) for turn in range(gap)]
        found.append(scores[place])
        above, gap = scores[place], 0
    found += scores_below(above, gap)
    found += scores_below(min(PAST, min(found, default=1.0)), count - window)
    return [Placed(place, score) for place, score in zip([*order, *range(window, count)], found, strict=True)]
