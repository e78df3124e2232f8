"""What a judge on the states of a small LLM is worth to reranking, in a collection of one's own, by graded queries.

`python -m benchmarks.rerankers.label_value.llm_states [--collection vaswani] [--output runs/label-value]` takes the
pools, the draws and the student of benchmarks.rerankers.label_value. The judge is that of `[tune] layers = 0` on
Qwen2.5-Coder-1.5B-Instruct, with the ready reranker's score in place of retrieval features, which learns from the pools
of k labelled queries. It ranks the test queries itself; and it grades the pools of the other training queries, which
the student learns from besides the k labels. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS; states are kept in the
output folder. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.deals import SEED
from benchmarks.folders import use_models
from benchmarks.judges.llm_states import SIZES
from benchmarks.record import record
from benchmarks.rerankers.label_value.__main__ import DEPTHS, JUDGED_WEIGHT, LabelValue, soft_labels
from benchmarks.rerankers.label_value.adapter import START, Adapter, Target
from benchmarks.rerankers.label_value.gain import pooled_gain
from relsearch.core.settings.config import JudgeConfig
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.models.base import load_base
from relsearch.judge.models.prompt import load_prompt
from relsearch.judge.tuning.ridge import weights

Floats = NDArray[np.float64]
FEW, DRAWS = (5, 10, 20), 5
READY, RANKS, HUMAN, JUDGED = "ready", "the judge ranks", "k labels", "k labels and pools that it judges"


def main() -> None:
    """Measure every arm, record and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--collection", choices=DEPTHS, default="vaswani")
    parser.add_argument("--output", type=Path, default=Path("runs/label-value"))
    arguments = parser.parse_args()
    use_models()
    trial = LabelValue(arguments.collection, arguments.output / arguments.collection)
    judges = _Judges(trial, SIZES["1.5B"].base)
    rows = [judges.row(k) for k in (*FEW, len(trial.training))]
    figures = {
        "collection": arguments.collection,
        "base": SIZES["1.5B"].base,
        "tested": len(trial.test),
        "depth": DEPTHS[arguments.collection],
        "draws": DRAWS,
        "ready": round(float(judges.ready.mean()), 4),
        "rows": rows,
    }
    record("llm_reranks", figures, seed=SEED)
    print(figures["ready"], *rows, sep="\n")


class _Judges:
    """Judges that learn from the pools of some queries; `ready` is the ready reranker's NDCG@10, [test queries]."""

    def __init__(self, trial: LabelValue, base: str) -> None:
        self._trial = trial
        pools = trial.value_pools.candidates
        self._known = {query: START * pool.features[:, 0] for query, pool in pools.items()}
        self._states = _states(trial, base)
        self.ready = self._ndcg(self._known)

    def row(self, k: int) -> dict[str, Any]:
        """Return the mean of each arm over draws of k training queries, and what the judge gains over `ready`."""
        trial = self._trial
        drawn = [
            random.Random(seed).sample(trial.training, k)  # noqa: S311 - a seeded draw
            for seed in range(DRAWS if k < len(trial.training) else 1)
        ]
        found = [self._arms(known) for known in drawn]
        values = {arm: np.stack([each[arm] for each in found]) for arm in found[0]}
        means = {arm: round(float(each.mean()), 4) for arm, each in values.items()}
        return {
            "k": k,
            "ndcg10": means,
            "over_ready": pooled_gain([values[RANKS] - self.ready]),
            "over_labels": pooled_gain([values[JUDGED] - values[HUMAN]]),
        }

    def _arms(self, known: Sequence[str]) -> dict[str, Floats]:
        trial, pools = self._trial, self._trial.value_pools.candidates
        relevant = [trial.gains(query) > 0 for query in known]
        added = weights(
            np.concatenate([self._states[query] for query in known]),
            np.concatenate([self._known[query] for query in known]),
            np.concatenate(relevant).astype(int).tolist(),
            [query for query, pool in zip(known, relevant, strict=True) for _ in pool],
            trial.config.scale,
            seed=SEED,
        )
        judged = {query: scores + self._states[query] @ added for query, scores in self._known.items()}
        people = [Target(pools[query], trial.gains(query)) for query in known]
        rest = [query for query in trial.training if query not in set(known)]
        soft = [Target(pools[query], soft_labels(judged[query]), JUDGED_WEIGHT) for query in rest]
        students = {HUMAN: Adapter.fit(people), JUDGED: Adapter.fit([*people, *soft])}
        ranked = {
            arm: self._ndcg({query: student.scores(pools[query]) for query in trial.test})
            for arm, student in students.items()
        }
        return {RANKS: self._ndcg(judged)} | ranked

    def _ndcg(self, scores: Mapping[str, Floats]) -> Floats:
        return self._trial.ndcg({query: scores[query] for query in self._trial.test})


def _states(trial: LabelValue, base: str) -> dict[str, Floats]:
    """The states of each query's candidates, [n, width]; read once."""
    runs = trial.value_pools.runs
    pairs = trial.collected.pairs(pl.concat(runs.values()))
    config = JudgeConfig(base=base, prompt="plain")
    loaded = load_base(config, load_prompt(config.prompt), trial.config.scale, dtype=fast_dtype(), frozen=True)
    tokens = loaded.encode(pairs)
    reader = loaded.kept_reader(tokens, batch_size=config.batch_size, folder=trial.folder / "states")
    ends = np.cumsum([run.height for run in runs.values()])[:-1]
    return dict(zip(runs, np.split(reader.features(tokens).double().numpy(), ends), strict=True))


if __name__ == "__main__":
    main()
