"""Which loss tunes a judge best: pointwise losses with and without the listwise term, on held-out queries.

`python -m benchmarks.judge_losses [--minutes 4] [--pairs 3000] [--output runs/judge-losses]` tunes the encoder judge's
upper layers once a cell, each for the same minutes, on the same steps from the same start, and measures each at its
best look on the same pairs of DEV_QUERIES held-out training queries; no query of 2019 is read. States of the frozen
layers are computed once for all cells. Finished cells are kept in the output folder, so a cut run goes on. It needs
RELSEARCH_COLLECTIONS and RELSEARCH_MODELS.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

from benchmarks.folders import use_models
from benchmarks.judge_data import E5, MINILM, SCALE, SEED, TRAINING, Labelled, training_halves
from benchmarks.judge_variants import ENCODER, TUNED, folder_of
from benchmarks.record import record
from relsearch.config import PointwiseLoss, TuneConfig
from relsearch.encoder import Encoder, load_encoder
from relsearch.judge.tune import tune
from relsearch.show import table

LISTWISE = (1.0, 0.0)
CELLS: tuple[tuple[PointwiseLoss, float], ...] = tuple(product(get_args(PointwiseLoss), LISTWISE))
FIGURES = ("log_likelihood", "kappa", "kappa_binary", "auc", "within_query_auc")


def main() -> None:
    """Tune and measure every cell, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("runs/judge-losses"))
    parser.add_argument(
        "--vectors", type=Path, default=Path("runs/judge-quality/vectors"), help="kept cosines' vectors"
    )
    parser.add_argument("--minutes", type=float, default=4.0, help="of tuning a cell")
    parser.add_argument("--pairs", type=int, default=3000, help="training pairs at most")
    parser.add_argument("--dev-pairs", type=int, default=1200, help="held-out pairs that each look reads")
    arguments = parser.parse_args()
    use_models()
    train, dev = training_halves()
    encoders = [load_encoder(config, keep=arguments.vectors) for config in (E5, MINILM)]
    budget = {"minutes": arguments.minutes, "max_pairs": arguments.pairs, "dev_pairs": arguments.dev_pairs}
    budget["calibration_pairs"] = arguments.dev_pairs  # so that the best look is of the pairs that are reported
    config = TUNED[ENCODER].tune.model_copy(update=budget)
    rows = [cell(loss, listwise, config, train, dev, encoders, arguments.output) for loss, listwise in CELLS]
    record("judge_losses", {"training": TRAINING, "judge": ENCODER, **budget, "table": rows}, seed=SEED)
    print(show(rows))


def cell(
    loss: PointwiseLoss,
    listwise: float,
    config: TuneConfig,
    train: Labelled,
    dev: Labelled,
    encoders: Sequence[Encoder],
    output: Path,
) -> dict[str, Any]:
    """Return the held-out figures of a judge tuned with one loss; tuned where that is not finished."""
    name = f"{loss} listwise {listwise:g} minutes {config.minutes:g} pairs {config.max_pairs} dev {config.dev_pairs}"
    folder = folder_of(output, name)
    path = folder / "cell.json"
    if not path.is_file():
        report = tune(
            *(train.pairs, train.grades, dev.pairs, dev.grades),
            judge=TUNED[ENCODER].judge,
            tune=config.model_copy(update={"loss": loss, "listwise_weight": listwise}),
            encoders=encoders,
            scale=SCALE,
            seed=SEED,
            output=folder / "judge",
            states=output / "states",
        )
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(report.figures()), encoding="utf-8")
        partial.replace(path)
    return {"loss": loss, "listwise_weight": listwise, **json.loads(path.read_text("utf-8"))}


def show(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of the cells, evidence alone first."""
    head = ["loss", "listwise", "steps", *FIGURES]
    figures = [["evidence alone", "", "0", *_cells(rows[0]["evidence_alone"])]]
    figures += [[row["loss"], f"{row['listwise_weight']:g}", str(row["steps"]), *_cells(row["tuned"])] for row in rows]
    return table(head, figures)


def _cells(found: dict[str, float | None]) -> list[str]:
    return ["-" if found[name] is None else f"{found[name]:.4f}" for name in FIGURES]


if __name__ == "__main__":
    main()
