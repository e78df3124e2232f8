"""Which pairs people should grade next: what n grades are worth, by the order in which pairs are graded.

`python -m benchmarks.rerankers.next_labels [--collections …] [--seeds 3] [--output runs/label-value]`

Each draw gives people three quarters of a collection's training queries. They grade the first 50, 100, 200 or 400 pairs
of an order (picks.py); their grades are the collection's own, and a pair without one is irrelevant. worth.py measures
what that brings the test queries. What `review` does without a run was chosen among the orders that need none by what
one half of the training queries gains from the other. Collections, pools and what is kept of them are label_value's. A
cut run goes on. The table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.record import RESULTS, record
from benchmarks.report.curves import curves_svg
from benchmarks.rerankers.label_value.__main__ import DEPTHS, LabelValue
from benchmarks.rerankers.next_labels.figures import NOTHING, Found, pooled_rows, rows, tested
from benchmarks.rerankers.next_labels.picks import JUDGED, RANDOM, RANKED, UNSURE, orders
from benchmarks.rerankers.next_labels.worth import Graded, Worth
from benchmarks.rerankers.trial import kept_figures
from relsearch.core.files.atomic import replace_text

BUDGETS = (50, 100, 200, 400)
_SHARE = 0.75  # of the training queries in a draw
_DRAWN = "untrained, irrelevant"  # the student whose gains the curve shows
_LINES = (JUDGED, UNSURE, RANDOM, "random queries, the reranker's first 3", "random queries, the reranker's first 10")


def main() -> None:
    """Measure every order on each collection and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/label-value"))
    parser.add_argument("--collections", nargs="+", choices=DEPTHS, default=list(DEPTHS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    use_models()
    found: dict[str, Found] = {}
    folds: dict[str, Found] = {}
    queries, seconds = {}, 0.0
    for name in arguments.collections:
        trial = LabelValue(name, arguments.output / name)
        half = len(trial.training) // 2
        halves = trial.training[:half], trial.training[half:]
        measured = partial(_measured, Graded(trial))
        draws = [
            _kept(trial, f"{seed}", partial(measured, trial.training, trial.test, seed))
            for seed in range(arguments.seeds)
        ]
        tries = [_kept(trial, f"fold-{n}", partial(measured, halves[1 - n], halves[n], 0)) for n in range(2)]
        found[name], queries[name] = _by_order(draws), len(trial.test)
        folds |= {f"{name} {number}": _by_order([each]) for number, each in enumerate(tries)}
        seconds += sum(each["cpu_seconds"] for each in (*draws, *tries))
        print(f"{name}: {seconds / 60:.1f} minutes", flush=True)
    pooled = pooled_rows(found)
    lines = {row["order"]: row[_DRAWN]["gains"] for row in pooled if row["order"] in _LINES}
    title = "NDCG@10 gained over the untrained cosine, mean of four collections"
    replace_text(RESULTS / "next_labels.svg", curves_svg(lines, list(map(str, BUDGETS)), title=title, x="grades"))
    figures = {
        "rows": rows(found),
        "pooled": pooled,
        "default": tested(folds, found, JUDGED, against=(UNSURE, RANDOM, RANKED)),
        "tested": queries,
        "seeds": arguments.seeds,
        "cpu_minutes": round(seconds / 60, 1),
    }
    record("next_labels", figures, seed=SEED)


def _kept(trial: LabelValue, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return kept_figures(trial.folder / "next-labels" / f"{name}.json", measure)


def _measured(graded: Graded, learn: Sequence[str], test: Sequence[str], seed: int) -> dict[str, Any]:
    """What each order of a draw's pairs is worth on the test queries, at each budget."""
    started = time.process_time()
    rng = np.random.default_rng([SEED, seed])
    given = rng.choice(sorted(learn), round(_SHARE * len(learn)), replace=False).tolist()
    found = [(*NOTHING, asdict(graded.worth([], test)))]
    for name, order in orders({query: graded.pools[query] for query in given}, rng).items():
        pairs = order()
        found += [(name, budget, asdict(graded.worth(pairs[:budget], test))) for budget in BUDGETS]
    return {"worth": found, "cpu_seconds": time.process_time() - started}


def _by_order(draws: Sequence[Mapping[str, Any]]) -> Found:
    found: dict[tuple[str, int], list[Worth]] = {}
    for draw in draws:
        for order, grades, worth in draw["worth"]:
            found.setdefault((order, grades), []).append(Worth(**worth))
    return found


if __name__ == "__main__":
    main()
