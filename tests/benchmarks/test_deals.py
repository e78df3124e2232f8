"""Labelled queries are dealt alike each time."""

from __future__ import annotations

import pytest

from benchmarks.deals import shuffled, split_dev


def test_the_deal_does_not_depend_on_the_order_given() -> None:
    """The same items come in one order, which is not the sorted one."""
    names = [f"q{number:02}" for number in range(20)]
    assert shuffled(names) == shuffled(set(names)) == shuffled(names[::-1])
    assert shuffled(names) != names


@pytest.mark.parametrize(("queries", "held_out"), [(1, 1), (5, 1), (10, 2), (112, 22)])
def test_a_fifth_and_at_least_one_is_held_out(queries: int, held_out: int) -> None:
    """No query is in both parts, none in neither."""
    names = [f"q{number}" for number in range(queries)]
    dev, training = split_dev(names)
    assert (len(dev), dev + training) == (held_out, names)
