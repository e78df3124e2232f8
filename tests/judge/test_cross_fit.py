"""Agreement by cuts that were fitted on other queries: chance passes no gate, and what is true stays so."""

from __future__ import annotations

import numpy as np
import polars as pl

from relsearch.core.tables import judgments_table
from relsearch.core.types import SCALES, Judgment
from relsearch.judge.calibration.thresholds import fit_thresholds
from relsearch.judge.cross_fit import cross_fitted
from relsearch.measure.agreement import agreement
from relsearch.stats.ordinal import grade_scores

SCALE = SCALES["0-3"]
_QUERIES, _EACH = 6, 20


def _tables(seed: int, *, signal: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What a judge expects, with cuts that were fitted on all pairs, and the human grades."""
    rng = np.random.default_rng(seed)
    pairs = [(f"q{query}", f"d{doc}") for query in range(_QUERIES) for doc in range(_EACH)]
    grades = rng.choice(4, size=len(pairs), p=[0.55, 0.2, 0.18, 0.07])
    scores = signal * grades + rng.normal(size=len(pairs))
    cuts = fit_thresholds(scores, grades, [query for query, _ in pairs], SCALE, aim="kappa", seed=seed)
    given = grade_scores(scores, cuts, SCALE)
    rows = zip(pairs, given, scores, strict=True)
    judged = (Judgment(*pair, int(grade), "judge", expected=float(score)) for pair, grade, score in rows)
    human = (Judgment(*pair, int(grade), "human") for pair, grade in zip(pairs, grades, strict=True))
    return judgments_table(judged), judgments_table(human)


def test_random_scores_do_not_agree_with_people() -> None:
    """Their own cuts say so of nearly every sample; cuts of the other queries do of few."""

    def above_chance(judged: pl.DataFrame, human: pl.DataFrame) -> bool:
        kappa = agreement(human, judged, SCALE, resamples=200, seed=1).kappa
        return kappa is not None and kappa.low > 0

    samples = [_tables(seed, signal=0.0) for seed in range(12)]
    own = [above_chance(judged, human) for judged, human in samples]
    fitted = [cross_fitted(judged, human, SCALE, aim="kappa", seed=1) for judged, human in samples]
    apart = [above_chance(judged, human) for judged, (_, human) in zip(fitted, samples, strict=True)]
    assert sum(own) >= 6
    assert sum(apart) <= 1


def test_scores_that_tell_grades_keep_their_agreement() -> None:
    """A good judge loses little, every pair has its grade, and a missing label stays out."""
    judged, human = _tables(3, signal=4.0)
    found = cross_fitted(judged, human, SCALE, aim="frequency", seed=1)
    assert found.height == judged.height
    same = found.join(human.select("query_id", "doc_id", human="grade"), on=["query_id", "doc_id"])
    assert same.filter(pl.col("grade") == pl.col("human")).height > 0.8 * same.height
    without = judged.with_columns(expected=pl.when(pl.col("doc_id") == "d0").then(None).otherwise("expected"))
    assert cross_fitted(without, human, SCALE, aim="frequency", seed=1).height == judged.height - _QUERIES


def test_a_single_query_keeps_its_grades() -> None:
    """There is no other query to fit cuts on."""
    judged, human = (table.filter(pl.col("query_id") == "q0") for table in _tables(3, signal=1.0))
    found = cross_fitted(judged, human, SCALE, aim="mae", seed=1)
    assert found.sort("doc_id").equals(judged.sort("doc_id"))
