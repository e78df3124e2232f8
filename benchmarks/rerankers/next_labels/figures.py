"""The figures of which labels next: each collection's, and differences pooled over collections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.rerankers.next_labels.picks import RANDOM, RANKED
from benchmarks.rerankers.next_labels.worth import STUDENTS, Worth
from relsearch.measure.evaluate import holm
from relsearch.stats.randomisation import randomisation_p

Floats = NDArray[np.float64]
Found = Mapping[tuple[str, int], Sequence[Worth]]  # of each draw, by order and budget
NOTHING = ("no grades", 0)
EVERY = "all students"  # their mean: which of them is a user's nobody knows beforehand
_COUNTED = ("kappa", "queries", "relevant")


def rows(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return the means over draws and test queries: one row a collection, order and budget."""
    return [
        {
            "collection": name,
            "order": order,
            "grades": grades,
            **{student: round(float(_values(each, student).mean()), 4) for student in STUDENTS},
            **{key: round(float(np.mean([getattr(one, key) for one in each])), 4) for key in _COUNTED},
        }
        for name, orders in found.items()
        for (order, grades), each in orders.items()
    ]


def pooled_rows(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    """Return each order's gain of NDCG@10 over no grades and differences from two orders, by student and on their mean.

    `gain` is the mean over budgets, `gains` has one a budget, and `kappa` is the judge's mean; collections count alike.
    The differences are means over budgets; p: paired randomisation test over all test queries, draws averaged
    (relsearch.stats.randomisation), Holm-corrected over the orders.
    """
    names, budgets = _names(found), _budgets(found)
    rows: dict[str, dict[str, Any]] = {name: {"order": name, "kappa": _kappa(found, name)} for name in names}
    for student in (*STUDENTS, EVERY):
        for name in names:
            gains = [_gain(found, name, student, [grades]) for grades in budgets]
            rows[name][student] = {"gain": _gain(found, name, student, budgets), "gains": gains}
        for key, other in (("random", RANDOM), ("ranked", RANKED)):
            tests = {name: _difference(found, name, other, student) for name in names if name != other}
            corrected = holm({name: p for name, (_, p) in tests.items()})
            for name, (difference, _) in tests.items():
                rows[name][student] |= {f"against_{key}": difference, f"p_{key}": corrected[name]}
    return list(rows.values())


def tested(
    folds: Mapping[str, Found], found: Mapping[str, Found], order: str, *, against: Sequence[str]
) -> dict[str, Any]:
    """Return all orders' gains on folds, and tests of one order, each alone, for the mean of all students."""
    gains = {name: _gain(folds, name, EVERY, _budgets(folds)) for name in _names(folds)}
    tests = {other: _difference(found, order, other, EVERY) for other in against}
    named = [{"order": other, "difference": difference, "p": p} for other, (difference, p) in tests.items()]
    return {"order": order, "folds": gains, "against": named}


def _names(found: Mapping[str, Found]) -> list[str]:
    return list(dict.fromkeys(order for order, grades in next(iter(found.values())) if (order, grades) != NOTHING))


def _budgets(found: Mapping[str, Found]) -> list[int]:
    return sorted({grades for order, grades in next(iter(found.values())) if (order, grades) != NOTHING})


def _kappa(found: Mapping[str, Found], order: str) -> float:
    each = [one.kappa for orders in found.values() for grades in _budgets(found) for one in orders[order, grades]]
    return round(float(np.mean(each)), 4)


def _gain(found: Mapping[str, Found], order: str, student: str, budgets: Sequence[int]) -> float:
    nothing = [_values(orders[NOTHING], student).mean() for orders in found.values()]
    gain = np.mean([each.mean() for each in _means(found, order, student, budgets)]) - np.mean(nothing)
    return round(float(gain), 4)


def _difference(found: Mapping[str, Found], order: str, other: str, student: str) -> tuple[float, float]:
    """The mean over collections and budgets, and p; queries weigh so that collections count alike."""
    both = (_means(found, name, student, _budgets(found)) for name in (order, other))
    differences = [one - two for one, two in zip(*both, strict=True)]
    total = sum(map(len, differences))
    weighted = np.concatenate([each * total / (len(differences) * len(each)) for each in differences])
    p = randomisation_p(weighted, alternative="two-sided", seed=SEED)
    return round(float(weighted.mean()), 4), round(p, 4)


def _means(found: Mapping[str, Found], order: str, student: str, budgets: Sequence[int]) -> list[Floats]:
    """Each query's mean over draws and budgets, an array a collection."""
    return [np.mean([_values(each[order, grades], student) for grades in budgets], axis=0) for each in found.values()]


def _values(draws: Sequence[Worth], student: str) -> Floats:
    """Each query's mean over draws."""
    students = STUDENTS if student == EVERY else [student]
    return np.asarray(np.mean([each.ndcg10[name] for each in draws for name in students], axis=0))
