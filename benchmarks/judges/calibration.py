"""What a few human grades of a query do for a judge's labels of the query's other documents.

`python -m benchmarks.judges.calibration [--output runs/judge-quality]` takes the labels that the ready judge gave the
pairs of TREC DL 2019 (benchmarks.judges.quality keeps them; they are made where they are not there), calibrates them on
k human grades a query, and measures the pairs whose grades it was not shown: the same ones for every k. Grades are of
documents drawn at random, DRAWS times, or of those that `relsearch review` picks. It needs RELSEARCH_COLLECTIONS and
RELSEARCH_MODELS. Its table is in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.agreement.baselines import published
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.data import MINILM, SCALE, TEST, human_of
from benchmarks.judges.quality import Bench
from benchmarks.judges.variants import SHIPPED
from benchmarks.record import record
from relsearch.core.display.text_table import table
from relsearch.encoders.encoder import vectors_by_id
from relsearch.labels.query_calibration import Vectors, calibrate
from relsearch.labels.review import pick
from relsearch.measure.agreement import agreement

GRADES = (1, 2, 3, 5, 10)
DRAWS = 5
FIGURES = ("kappa", "kappa_binary", "auc", "mae")
_PAIR = ["query_id", "doc_id"]


def main() -> None:
    """Hold the labels, measure, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    use_models()
    bench = Bench(parser.parse_args().output)
    human, judged = human_of(bench.test), bench.judged(SHIPPED)
    texts = {pair.doc_id: pair.text for pair in bench.test.pairs}
    vectors = vectors_by_id(MINILM, texts, keep=bench.kept)  # as `grade` does where no encoder is named
    rows = list(drawn(human, judged, vectors)) + list(reviewed(human, judged, vectors))
    record("judge_anchors", {"test": TEST, "judge": SHIPPED, "draws": DRAWS, "table": rows}, seed=SEED)
    cells = [[row["labels"], *(f"{row[name]['value']:.3f}" for name in FIGURES)] for row in rows]
    print(table(["labels", *FIGURES], cells))


def drawn(human: pl.DataFrame, judged: pl.DataFrame, vectors: Vectors) -> Iterator[dict[str, Any]]:
    """Yield a row for the judge, for each number of random grades a query, and for each published judge."""
    draws = [_draw(human, SEED + number) for number in range(DRAWS)]
    rest = pl.concat([_of_draw(draw.filter(pl.col("turn") >= max(GRADES)), place) for place, draw in enumerate(draws)])
    alone = pl.concat([_of_draw(judged, place) for place in range(DRAWS)])
    yield _row("judge alone", rest, alone)
    for count in GRADES:
        held = [calibrate(judged, draw.filter(pl.col("turn") < count), SCALE, vectors) for draw in draws]
        labels = pl.concat([_of_draw(each.labels, place) for place, each in enumerate(held)])
        row = _row(f"{count} random grade{'s' if count > 1 else ''} a query", rest, labels, over=alone)
        yield row | {"deviation": round(float(np.mean([each.deviation for each in held])), 2)}
    for name, labels in published().items():
        yield _row(name, rest, pl.concat([_of_draw(labels, place) for place in range(DRAWS)]))


def reviewed(human: pl.DataFrame, judged: pl.DataFrame, vectors: Vectors) -> Iterator[dict[str, Any]]:
    """Yield two rows a number of grades that `review` asks for: what is left of the pairs, judged alone and held."""
    for count in (3, 10):
        asked = pick(judged, human=human.clear(), pool=None, count=count * human["query_id"].n_unique())
        few, rest = (human.join(asked, on=_PAIR, how=how) for how in ("semi", "anti"))
        held = calibrate(judged, few, SCALE, vectors)
        yield _row(f"judge alone, on what {count} reviewed leave", rest, judged)
        row = _row(f"{count} reviewed grades a query", rest, held.labels, over=judged)
        yield row | {"deviation": round(held.deviation, 2)}


def _draw(human: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The human grades with each one's turn among its query's, from 0, in a random order."""
    order = np.random.default_rng(seed).permutation(human.height)
    return human[order].with_columns(turn=pl.int_range(pl.len()).over("query_id"))


def _of_draw(labels: pl.DataFrame, number: int) -> pl.DataFrame:
    """The labels under document ids of their own, so that draws can stand in one table and queries stay whole."""
    return labels.with_columns(pl.concat_str(pl.col("doc_id"), pl.lit(f"/{number}")).alias("doc_id"))


def _row(labels: str, rest: pl.DataFrame, judged: pl.DataFrame, *, over: pl.DataFrame | None = None) -> dict[str, Any]:
    found = agreement(rest, judged, SCALE, resamples=1000, seed=SEED)
    figures = {name: figure.to_json() for name in FIGURES if (figure := found.figures().get(name))}
    gained = {} if over is None else {"gain": gain(rest, judged, over, SCALE, seed=SEED)}
    return {"labels": labels, "pairs": found.pairs, **figures, **gained}


if __name__ == "__main__":
    main()
