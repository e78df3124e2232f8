"""Folds: every id in one of them, whatever the order, and none empty."""

from __future__ import annotations

from relsearch.stats.dealing import dealt


def test_ids_are_dealt_once_and_alike_in_any_order() -> None:
    """Of sizes that differ by one at most; another seed deals otherwise."""
    ids = [f"q{number}" for number in range(11)]
    folds = dealt(ids, 3, seed=1)
    assert folds == dealt([*reversed(ids), "q0"], 3, seed=1) != dealt(ids, 3, seed=2)
    assert sorted(each for fold in folds for each in fold) == sorted(ids)
    assert sorted(map(len, folds)) == [3, 4, 4]


def test_there_are_no_more_folds_than_ids() -> None:
    """Two ids make two, none makes none."""
    assert [len(fold) for fold in dealt(["a", "b"], 5, seed=1)] == [1, 1]
    assert dealt([], 5, seed=1) == []
