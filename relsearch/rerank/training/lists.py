"""Training lists: some documents of one query a step, balanced over gains, seeded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from relsearch.core.errors import DataError

_T = TypeVar("_T")

_BINS = 4  # quarters of the gain: one per grade on four-grade scales, soft labels fall between


@dataclass(frozen=True, slots=True)
class Example:
    """One document of a list with its target gain in [0, 1] and its weight."""

    doc_id: str
    gain: float
    weight: float


@dataclass(frozen=True, slots=True)
class TrainingList:
    """Documents of one query that are compared with each other in one step."""

    query_id: str
    examples: tuple[Example, ...]


def build_lists(examples: pl.DataFrame, *, size: int, epochs: float, seed: int) -> list[TrainingList]:
    """Return lists of at most `size` documents, queries in turn, that show about `epochs` times all examples.

    Queries whose documents all have one gain are left out: they would teach the model a query's base
    rate, not matching. Raise DataError where no query is left.
    """
    queries = [(query_id, rows) for query_id, rows in _by_query(examples) if len({row.gain for row in rows}) > 1]
    if not queries:
        raise DataError(f"{examples.height} training examples: no query has documents of two grades; label more")
    rng = np.random.default_rng(seed)
    rounds = [_draw(query_id, rows, size=size, epochs=epochs, rng=rng) for query_id, rows in queries]
    return [
        lists[turn] for turn in range(max(map(len, rounds))) for lists in _shuffled(rounds, rng) if turn < len(lists)
    ]


def _by_query(examples: pl.DataFrame) -> Iterator[tuple[str, list[Example]]]:
    ordered = examples.select("query_id", "doc_id", "gain", "weight").sort("query_id", "doc_id")
    for (query_id,), rows in ordered.group_by("query_id", maintain_order=True):
        yield str(query_id), [Example(doc_id, gain, weight) for _, doc_id, gain, weight in rows.iter_rows()]


def _draw(
    query_id: str, rows: Sequence[Example], *, size: int, epochs: float, rng: np.random.Generator
) -> list[TrainingList]:
    strata = [[row for row in rows if _bin(row) == number] for number in range(_BINS)]
    queues: list[list[Example]] = [[] for _ in strata]
    counts = _balanced([len(stratum) for stratum in strata], size)
    lists = []
    for _ in range(math.ceil(epochs * len(rows) / size)):
        drawn = (_take(*each, rng=rng) for each in zip(strata, queues, counts, strict=True))
        lists.append(TrainingList(query_id, tuple(example for part in drawn for example in part)))
    return lists


def _balanced(available: Sequence[int], size: int) -> list[int]:
    """How many to take of each stratum: as equal as they allow, `size` together."""
    counts = [0] * len(available)
    for _ in range(min(size, sum(available))):
        open_strata = [number for number, count in enumerate(counts) if count < available[number]]
        counts[min(open_strata, key=lambda number: counts[number])] += 1
    return counts


def _take(stratum: Sequence[Example], queue: list[Example], count: int, *, rng: np.random.Generator) -> list[Example]:
    """Take from the queue; all of a stratum is used before any document of it comes again, none twice in a list."""
    taken = [queue.pop() for _ in range(min(count, len(queue)))]
    if len(taken) < count:
        queue[:] = taken + [example for example in _shuffled(stratum, rng) if example not in taken]
        taken = taken + [queue.pop() for _ in range(count - len(taken))]
    return taken


def _bin(example: Example) -> int:
    return min(int(example.gain * _BINS), _BINS - 1)


def _shuffled(items: Sequence[_T], rng: np.random.Generator) -> list[_T]:
    return [items[place] for place in rng.permutation(len(items))]
