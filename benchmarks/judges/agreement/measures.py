"""Measure judges against human labels, alike for trained judges, published labels and baselines.

`row` gives every figure of a judge; the other functions make judgments tables of what needs no training: the majority
grade, published labels of larger models, scores in bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from benchmarks.folders import COLLECTIONS
from benchmarks.judges.agreement.pair_scores import pair_scores
from benchmarks.judges.agreement.systems import systems, variants
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment, Scale
from relsearch.data.collection import FolderCollection
from relsearch.data.trec import read_qrels, read_run
from relsearch.measure.agreement import agreement
from relsearch.stats.ordinal import CumulativeLink, grade_scores, matching_thresholds

FIGURES = ("kappa", "kappa_binary", "auc", "auc_within_query", "mae")
PUBLISHED = {"GPT-4": "gpt4", "DeepSeek-V3": "deepseekv3", "Llama-3-8B": "llama3-8b"}


def row(
    name: str,
    human: pl.DataFrame,
    judged: pl.DataFrame,
    runs: Mapping[str, pl.DataFrame],
    scale: Scale,
    seed: int,
    *,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Return every figure of a judge as {value, low, high}, None where it is undefined for these labels.

    Systems are the runs and their `variants`.
    """
    agreed = agreement(human, judged, scale, resamples=resamples, seed=seed)
    ranked = systems(variants(runs, seed=seed), human, judged, scale, resamples=resamples, seed=seed)
    figures = {name: agreed.figures().get(name) for name in FIGURES} | {"tau_systems": ranked.tau}
    return {"name": name, "pairs": agreed.pairs, **{key: f and f.to_json() for key, f in figures.items()}}


def majority(pairs: pl.DataFrame, grades: Sequence[int], scale: Scale) -> pl.DataFrame:
    """Return labels of the pairs that all say the most frequent of the (training) grades, with their frequencies."""
    counts = np.bincount(np.asarray(grades) - scale.lowest, minlength=len(scale.names))
    shares = np.tile(counts / counts.sum(), (pairs.height, 1))
    return labels(pairs, shares.argmax(axis=1) + scale.lowest, shares, scale, judge="majority")


def published(path: Path, scale: Scale) -> pl.DataFrame:
    """Return published labels; `expected` is the grade itself, so that AUC is defined, with many ties."""
    return read_qrels(path, scale).with_columns(
        source=pl.lit("judge"), judge=pl.lit(path.stem), expected=pl.col("grade").cast(pl.Float64)
    )


def binned(
    scores: ArrayLike, grades: Sequence[int], pairs: pl.DataFrame, pair_scores: ArrayLike, scale: Scale, *, judge: str
) -> pl.DataFrame:
    """Return labels of the pairs by their scores alone, calibrated on the scores of pairs with human grades.

    Distributions are those of a cumulative link, grades are cut at the human frequencies on the training scores.
    """
    values, given = np.asarray(pair_scores, dtype=np.float64), np.asarray(grades, dtype=np.int64)
    chosen = grade_scores(values, matching_thresholds(scores, given, scale), scale)
    link = CumulativeLink.fit(scores, given, scale)
    return labels(pairs, chosen, link.probabilities(values), scale, judge=judge)


def labels(
    pairs: pl.DataFrame,
    grades: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    scale: Scale,
    *,
    judge: str,
) -> pl.DataFrame:
    """Return a judgments table of the pairs (query_id, doc_id) with these grades [n] and distributions [n, grades]."""
    expected = probabilities @ np.asarray(scale.grades, dtype=np.float64)
    rows = zip(pairs.select("query_id", "doc_id").iter_rows(), grades, probabilities.tolist(), expected, strict=True)
    return judgments_table(
        Judgment(
            query_id, doc_id, int(grade), "judge", judge, tuple(row), float(mean), float(row[grade - scale.lowest])
        )
        for (query_id, doc_id), grade, row, mean in rows
    )


def bm25(name: str, pairs: pl.DataFrame) -> NDArray[np.float64]:
    """Return BM25 (k1 0.9, b 0.4) of the pairs, over the documents of the collection of that name."""
    source = FolderCollection(COLLECTIONS / name, trec=False)
    wanted = list(pairs.select("query_id", "doc_id").iter_rows())
    return pair_scores(source.queries(), source.documents(), wanted)


def runs_of(name: str) -> dict[str, pl.DataFrame]:
    """Return a collection's runs by their names."""
    return {path.stem: read_run(path) for path in sorted((COLLECTIONS / name / "runs").glob("*.trec"))}
