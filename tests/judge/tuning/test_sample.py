"""Which pairs are learnt from."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.types import Pair
from relsearch.judge.tuning.sample import balanced_steps, grade_weights, natural_sample

_LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=60)


def _pairs(labels: list[tuple[int, int]]) -> tuple[list[Pair], list[int]]:
    return [Pair(f"q{query}", f"d{n}", "", "") for n, (query, _) in enumerate(labels)], [grade for _, grade in labels]


@given(_LABELS, st.integers(2, 8), st.integers(2, 50))
def test_steps_hold_one_query_and_no_row_twice(labels: list[tuple[int, int]], size: int, max_pairs: int) -> None:
    """Whatever the labels, steps are small, of one query, disjoint, and within the cap."""
    pairs, grades = _pairs(labels)
    steps = balanced_steps(pairs, grades, size=size, max_pairs=max_pairs, seed=1)
    rows = [row for step in steps for row in step]
    assert len(rows) == len(set(rows)) <= max_pairs
    assert all(2 <= len(step) <= size for step in steps)
    assert all(len({pairs[row].query_id for row in step}) == 1 for step in steps)


def test_steps_are_balanced_over_queries_and_grades() -> None:
    """A large query and a common grade get no more than their share."""
    pairs, grades = _pairs([(0, 0)] * 500 + [(0, 3)] * 20 + [(1, 0)] * 50 + [(1, 3)] * 20)
    rows = [row for step in balanced_steps(pairs, grades, size=8, max_pairs=64, seed=1) for row in step]
    assert Counter((pairs[row].query_id, grades[row]) for row in rows) == {
        ("q0", 0): 16,
        ("q0", 3): 16,
        ("q1", 0): 16,
        ("q1", 3): 16,
    }


@given(_LABELS, st.integers(2, 8), st.integers(2, 50))
def test_as_many_rows_are_learnt_from_as_may_be(labels: list[tuple[int, int]], size: int, max_pairs: int) -> None:
    """Wherever a query has two labelled documents, there is a step, however few rows are allowed."""
    pairs, grades = _pairs(labels)
    several = [count for count in Counter(query for query, _ in labels).values() if count > 1]
    steps = balanced_steps(pairs, grades, size=size, max_pairs=max_pairs, seed=1)
    assert bool(steps) == bool(several)
    if size >= max_pairs:  # no step is cut to one row, which is left
        assert sum(map(len, steps)) >= min(sum(several), max_pairs) - len(several)


def test_more_queries_than_rows_are_no_reason_to_learn_nothing() -> None:
    """40 rows of 100 queries of 30 labels are 20 queries of two, the best grade among them."""
    pairs, grades = _pairs([(query, doc % 4) for query in range(100) for doc in range(30)])
    steps = balanced_steps(pairs, grades, size=16, max_pairs=40, seed=1)
    assert [len(step) for step in steps] == [2] * 20
    assert {tuple(sorted(grades[row] for row in step)) for step in steps} == {(2, 3)}


def test_the_seed_decides_the_steps() -> None:
    """Same seed, same steps; another seed, others."""
    pairs, grades = _pairs([(n % 3, n % 4) for n in range(60)])
    first, again, other = (balanced_steps(pairs, grades, size=8, max_pairs=40, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_natural_sample_keeps_the_frequencies() -> None:
    """Grades come as they are, queries share alike, small ones give all."""
    pairs, grades = _pairs([(0, n % 10 == 0) for n in range(1000)] + [(1, 1)] * 10)
    rows = natural_sample(pairs, count=310, seed=1)
    assert len(rows) == 310
    assert sum(grades[row] for row in rows if pairs[row].query_id == "q0") == pytest.approx(30, abs=10)
    assert sum(pairs[row].query_id == "q1" for row in rows) == 10


def test_weights_restore_the_true_frequencies() -> None:
    """A balanced sample, weighted, counts each grade as often as all labels do; the mean weight is 1."""
    weights = grade_weights([0] * 90 + [3] * 10, [0] * 5 + [3] * 5)
    assert weights == {0: pytest.approx(1.8), 3: pytest.approx(0.2)}
