"""What judged pools add to ten labelled queries where the chain trains the encoder itself, pooled over collections.

`python -m benchmarks.rerankers.judged_pools [--collections …] [--labelled 10] [--output runs/own-domain]` takes the
rerankers of benchmarks.rerankers.own_domain, with few labels and with all, and trains those that have no run in its
folder yet. Its table is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.record import record
from benchmarks.rerankers.label_value.gain import gap_closed, pooled_gain
from benchmarks.rerankers.own_collections import OWN, STEPS, own_domain_config
from benchmarks.rerankers.own_domain import MIXES, Arm, OwnDomain
from benchmarks.rerankers.trial import MEASURE
from relsearch.measure.query_values import query_values

Floats = NDArray[np.float64]
DEALT = ("cranfield", "vaswani", "cnil-fr")  # those whose queries are dealt into folds


def main() -> None:
    """Read or train every arm, pool the differences by what is mixed in, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--collections", nargs="+", choices=OWN, default=DEALT)
    parser.add_argument("--labelled", type=int, default=10, metavar="K")
    parser.add_argument("--output", type=Path, default=Path("runs/own-domain"))
    arguments = parser.parse_args()
    use_models()
    arms = {
        "alone": Arm(arguments.labelled),
        "judged": Arm(arguments.labelled, judged=True),
        "all": Arm(),
    }
    found = {}
    for name in arguments.collections:
        trial = OwnDomain(own_domain_config(name, arguments.output / name, steps=STEPS), 2, name)
        found[name] = {arm: _values(trial, each) for arm, each in arms.items()}
    rows = [_row(mix, list(found.values())) for mix in MIXES]
    tested = {name: len(values["alone"][""]) for name, values in found.items()}
    record("judged_pools", {"k": arguments.labelled, "rows": rows, "tested": tested}, seed=SEED)
    print(*rows, sep="\n")


def _values(trial: OwnDomain, arm: Arm) -> dict[str, Floats]:
    """NDCG@10 of each test query, by what is mixed in."""

    def values(run: pl.DataFrame) -> Floats:
        return query_values(trial.test_labels, run, [MEASURE])[MEASURE]

    return {mix: values(run) for mix, run in trial.trained(arm).items()}


def _row(mix: str, collections: list[Mapping[str, Mapping[str, Floats]]]) -> dict[str, Any]:
    def gain(arm: str) -> dict[str, float]:
        return pooled_gain([(values[arm][mix] - values["alone"][mix])[None] for values in collections])

    judged, every = gain("judged"), gain("all")
    return {"scores": mix.removeprefix("_") or "own", **judged, "gap": every, "gap_closed": gap_closed(judged, every)}


if __name__ == "__main__":
    main()
