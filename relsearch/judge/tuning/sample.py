"""Which labelled pairs the judge learns from, and in which steps: documents of one query, balanced over grades."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest

from relsearch.core.types import Pair


def balanced_steps(
    pairs: Sequence[Pair], grades: Sequence[int], *, size: int, max_pairs: int, seed: int
) -> list[tuple[int, ...]]:
    """Return steps of at most `size` rows of one query each, in seeded order; together at most `max_pairs` rows.

    Every query gives an equal share while it has rows, and within it every grade does. Where that is less than two
    rows a query, which are the fewest that can be ordered, some queries are drawn to give two each. A query of one row
    gives none.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded sample, not a secret
    several = [rows for _, rows in sorted(_by_query(pairs).items()) if len(rows) > 1]
    dealt = [_by_grade_in_turn(rows, grades, rng) for rows in several]
    if max_pairs < 2 * len(dealt):
        dealt = rng.sample(dealt, max_pairs // 2)
    shares = _shares([len(rows) for rows in dealt], max_pairs)
    steps = [step for rows, share in zip(dealt, shares, strict=True) for step in _split(rows[:share], size)]
    rng.shuffle(steps)
    return steps


def natural_sample(pairs: Sequence[Pair], *, count: int, seed: int) -> list[int]:
    """Return at most `count` rows, sorted, with every query's share equal and grades as they come."""
    rng = random.Random(seed)  # noqa: S311 - a seeded sample, not a secret
    by_query = [rows for _, rows in sorted(_by_query(pairs).items())]
    for rows in by_query:
        rng.shuffle(rows)
    shares = _shares([len(rows) for rows in by_query], count)
    return sorted(row for rows, share in zip(by_query, shares, strict=True) for row in rows[:share])


def grade_weights(all_grades: Sequence[int], sampled: Sequence[int]) -> dict[int, float]:
    """Return a weight a grade that gives a balanced sample the frequencies of all grades; their mean is 1."""
    true, seen = Counter(all_grades), Counter(sampled)
    total = sum(true[grade] for grade in seen)
    return {grade: (true[grade] / total) / (count / len(sampled)) for grade, count in seen.items()}


def _by_query(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row in sorted(range(len(pairs)), key=lambda row: (pairs[row].query_id, pairs[row].doc_id)):
        rows[pairs[row].query_id].append(row)
    return rows


def _by_grade_in_turn(rows: Sequence[int], grades: Sequence[int], rng: random.Random) -> list[int]:
    """The rows so that grades take turns, from the best down, while they last."""
    piles: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        piles[grades[row]].append(row)
    for _, pile in sorted(piles.items()):
        rng.shuffle(pile)
    turns = zip_longest(*(pile for _, pile in sorted(piles.items(), reverse=True)))
    return [row for row in chain.from_iterable(turns) if row is not None]


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """How many each may give so that the sum is at most `total` and small ones give all."""
    shares = [0] * len(sizes)
    left = total
    by_size = sorted(range(len(sizes)), key=lambda index: (sizes[index], index))
    for position, index in enumerate(by_size):
        shares[index] = min(sizes[index], left // (len(sizes) - position))
        left -= shares[index]
    return shares


def _split(rows: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Deal the rows into equal steps, each with its part of every grade; a step of one row cannot rank and is left."""
    count = -(-len(rows) // size)
    return [step for step in (tuple(rows[start::count]) for start in range(count)) if len(step) > 1]
