"""What graded pairs are worth: NDCG@10 of students that learn from them, and kappa of a judge they calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score

from benchmarks.rerankers.label_value.__main__ import LabelValue
from benchmarks.rerankers.label_value.adapter import Adapter, Candidates, Target
from benchmarks.rerankers.next_labels.picks import Order, Pool
from relsearch.stats.logistic import Logistic

Floats = NDArray[np.float64]
Places = Mapping[str, NDArray[np.int64]]  # of some pairs, by query, in its pool
# A student starts from the first feature that it sees: the ready reranker's score; or the untrained cosine, beside
# which it sees MaxSim and BM25 alone. Weights of labels against the prior, chosen on training queries.
_FEATURES = {"ready": slice(None), "untrained": slice(1, 4)}
_WEIGHTS = {"ready": 1.0, "untrained": 4.0}
UNJUDGED = ("unknown", "irrelevant")  # what the ungraded candidates of graded queries are, as in [pool] unjudged
STUDENTS = [f"{start}, {unjudged}" for start in _FEATURES for unjudged in UNJUDGED]


@dataclass(frozen=True)
class Worth:
    """NDCG@10 of each test query by student, the judge's kappa, and how many queries and relevant pairs were graded."""

    ndcg10: Mapping[str, Sequence[float]]
    kappa: float
    queries: int
    relevant: int


class Graded:
    """A collection whose pairs may be graded; `pools` are those of all its queries."""

    def __init__(self, trial: LabelValue) -> None:
        self._trial = trial
        candidates = trial.value_pools.candidates
        self.pools = {query: Pool(run, candidates[query]) for query, run in trial.value_pools.runs.items()}
        self._gains = {query: trial.gains(query) for query in self.pools}
        self._relevant = trial.config.scale.gain(trial.config.scale.relevant)

    def worth(self, pairs: Order, test: Sequence[str]) -> Worth:
        """Return what the grades of some pairs are worth on test queries."""
        found: dict[str, list[int]] = {}
        for query, place in pairs:
            found.setdefault(query, []).append(place)
        graded = {query: np.array(places) for query, places in found.items()}
        return Worth(
            {student: self._trial.ndcg(self._scores(student, graded, test)).tolist() for student in STUDENTS},
            self._kappa(graded, test),
            queries=len(graded),
            relevant=sum(int((self._gains[query][places] >= self._relevant).sum()) for query, places in graded.items()),
        )

    def _scores(self, student: str, graded: Places, test: Sequence[str]) -> dict[str, Floats]:
        start, unjudged = student.split(", ")
        targets = []
        for query, places in graded.items():
            gains = np.zeros(len(self._gains[query]))
            gains[places] = self._gains[query][places]
            used = places if unjudged == "unknown" else np.arange(len(gains))
            if gains.any():
                targets.append(Target(self._seen(start, query, used), gains[used], _WEIGHTS[start]))
        pools = {query: self._seen(start, query, np.arange(len(self._gains[query]))) for query in test}
        if not targets:
            return {query: pool.features[:, 0] for query, pool in pools.items()}
        taught = Adapter.fit(targets)
        return {query: taught.scores(pool) for query, pool in pools.items()}

    def _seen(self, start: str, query: str, places: NDArray[np.int64]) -> Candidates:
        pool = self.pools[query].candidates
        return Candidates(pool.features[places, _FEATURES[start]], pool.documents[places], pool.query)

    def _kappa(self, graded: Places, test: Sequence[str]) -> float:
        """Kappa of the judge's labels of test pools: as many are called relevant as its probabilities expect.

        Graded pairs calibrate the probabilities where people found relevant ones and others.
        """
        pools = {query: np.arange(len(self._gains[query])) for query in test}
        scores, relevant = self._pairs(pools)
        known, answers = self._pairs(graded)
        if answers.any() and not answers.all():
            probabilities = Logistic.fit(known, answers).probabilities(scores)
        else:
            probabilities = np.concatenate([self.pools[query].relevant for query in test])
        cut = np.quantile(probabilities, 1 - probabilities.mean())
        return float(cohen_kappa_score(relevant, probabilities > cut))

    def _pairs(self, places: Places) -> tuple[Floats, NDArray[np.bool_]]:
        """The ready reranker's scores of some pairs, and which of them are relevant."""
        scores = [self.pools[query].candidates.features[each, 0] for query, each in places.items()]
        relevant = [self._gains[query][each] >= self._relevant for query, each in places.items()]
        return np.concatenate([np.zeros(0), *scores]), np.concatenate([np.zeros(0, bool), *relevant])
