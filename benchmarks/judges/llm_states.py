"""Whether the states of a small LLM, which nobody tuned, tell a judge what retrieval features do not know.

`python -m benchmarks.judges.llm_states [--size 0.5B] [--output runs/judge-quality]` takes the pairs of
benchmarks.judges.closed_labels. As `relsearch tune` does with `[tune] layers = 0`, retrieval features and the states
are weighed by people's grades of TREC DL 2021, and a fifth of its queries set the thresholds; 2019 says what the states
add to the features. Queries, and which of them set the thresholds, are drawn DRAWS times: figures are means, p is the
median. `--size 1.5B` reads with a larger LLM. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS; states are kept in the
output folder. The tables are in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED, split_dev
from benchmarks.folders import use_models
from benchmarks.judges.agreement import measures
from benchmarks.judges.agreement.gain import gain
from benchmarks.judges.closed_labels import DRAWS, FIGURES, PEOPLE, Trial
from benchmarks.judges.data import E5, SCALE
from benchmarks.judges.variants import EVIDENCE
from benchmarks.record import record
from relsearch.core.settings.config import JudgeConfig
from relsearch.encoders.encoder import load_encoder
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.calibration.blend import Blend, Floats
from relsearch.judge.models.base import load_base
from relsearch.judge.models.prompt import load_prompt
from relsearch.judge.tuning.quality import quality
from relsearch.judge.tuning.ridge import weights
from relsearch.stats.ordinal import CumulativeLink

FEW = (5, 10, 20, 40)


class _Size(NamedTuple):
    base: str
    result: str


SIZES = {
    "0.5B": _Size("Qwen/Qwen2.5-Coder-0.5B-Instruct", "llm_states"),
    "1.5B": _Size("Qwen/Qwen2.5-Coder-1.5B-Instruct", "llm_states_larger"),
}


def main() -> None:
    """Read what has not been read, fit, measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", choices=SIZES, default="0.5B")
    parser.add_argument("--output", type=Path, default=Path("runs/judge-quality"))
    options = parser.parse_args()
    size = SIZES[options.size]
    use_models()
    trial = Trial(load_encoder(E5, keep=options.output / "vectors"))
    judges = _Judges(trial, size.base, options.output / "states" / options.size)
    rows = []
    for few in (*FEW, len(trial.queries)):
        rows.append(judges.row(few))
        print(rows[-1], flush=True)
    figures = {
        "base": size.base,
        "training_pairs": len(trial.train.pairs),
        "test_pairs": len(trial.test.pairs),
        "draws": DRAWS,
        "rows": rows,
    }
    record(size.result, figures, seed=SEED)


class _Judges:
    """Judges of retrieval features, alone and with an LLM's states, that learn from some queries of 2021."""

    def __init__(self, trial: Trial, base: str, kept: Path) -> None:
        self._trial = trial
        self._queries = np.array([pair.query_id for pair in trial.train.pairs])
        self._grades = np.array(trial.train.grades)
        config = JudgeConfig(base=base, prompt="plain")
        loaded = load_base(config, load_prompt(config.prompt), SCALE, dtype=fast_dtype(), frozen=True)
        tokens = [loaded.encode(part.pairs) for part in (trial.train, trial.test)]
        reader = loaded.kept_reader([*tokens[0], *tokens[1]], batch_size=config.batch_size, folder=kept)
        self._known, self._asked = (reader.features(part).double().numpy() for part in tokens)

    def row(self, few: int) -> dict[str, Any]:
        """Return both judges' mean figures over draws of so many queries, and what the states gain."""
        trial = self._trial
        orders = (random.Random(seed).sample(trial.queries, few) for seed in range(DRAWS))  # noqa: S311 - seeded
        drawn = [self._labels(order) for order in orders]
        features, states = (
            {name: float(np.mean([each[name] for each in map(trial.figures, judge)])) for name in FIGURES}
            for judge in zip(*drawn, strict=True)
        )
        gains = [gain(trial.human, judged, alone, SCALE, seed=SEED) for alone, judged in drawn]
        return {"queries": few, "features": features, "with_states": states, "gain": _over_draws(gains)}

    def _labels(self, queries: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the labels of 2019's pairs by the features of judges that learnt from these queries, and with states.

        Where states explain the grades of the queries that set the thresholds no better, they count nothing.
        """
        trial = self._trial
        dev, learnt = (np.isin(self._queries, part) for part in split_dev(queries))
        grades = self._grades[learnt].tolist()
        blend = Blend.fit(EVIDENCE, trial.known[learnt], grades, SCALE)
        prior = CumulativeLink.fit(blend.scores(trial.known[learnt]), grades, SCALE)
        known, asked = (prior.logits(blend.scores(part)) for part in (trial.known, trial.asked))
        names = self._queries[learnt].tolist()
        added = weights(self._known[learnt], known[learnt], grades, names, SCALE, seed=SEED)
        if self._explained(known + self._known @ added, dev) <= self._explained(known, dev):
            added = np.zeros_like(added)
        features = self._binned(known, asked, dev)
        return features, self._binned(known + self._known @ added, asked + self._asked @ added, dev)

    def _explained(self, scores: Floats, dev: NDArray[np.bool_]) -> float:
        names = self._queries[dev].tolist()
        return quality(scores[dev], self._grades[dev].tolist(), names, SCALE).log_likelihood

    def _binned(self, known: Floats, asked: Floats, dev: NDArray[np.bool_]) -> pl.DataFrame:
        return measures.binned(known[dev], self._grades[dev].tolist(), self._trial.human, asked, SCALE, judge=PEOPLE)


def _over_draws(gains: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of the gains and of their intervals' ends, and the median p."""
    return {
        name: {
            key: float((np.median if key == "p" else np.mean)([each[name][key] for each in gains]))
            for key in ("value", "low", "high", "p")
        }
        for name in ("auc", "kappa", "log_likelihood")
    }


if __name__ == "__main__":
    main()
