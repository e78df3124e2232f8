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
from benchmarks.judges.agreement.bias import bias
from benchmarks.judges.agreement.pair_scores import pair_scores
from benchmarks.judges.agreement.systems import systems, variants
from relsearch.core.fields.template import render
from relsearch.core.tables import judgments_table
from relsearch.core.types import Judgment, Scale
from relsearch.data.collection import FolderCollection
from relsearch.data.trec import read_qrels, read_run
from relsearch.measure.agreement import agreement
from relsearch.measure.reliability import has_probabilities, reliability
from relsearch.stats.bootstrap import Figure
from relsearch.stats.ordinal import CumulativeLink, grade_scores, matching_thresholds

PUBLISHED = {"GPT-4": "gpt4", "DeepSeek-V3": "deepseekv3", "Llama-3-8B": "llama3-8b"}


def row(
    name: str,
    human: pl.DataFrame,
    judged: pl.DataFrame,
    texts: Mapping[str, str],
    queries: Mapping[str, str],
    runs: Mapping[str, pl.DataFrame],
    scale: Scale,
    seed: int,
    *,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Return every figure of a judge as {value, low, high}, None where it is undefined for these labels.

    Systems are the runs and their `variants`; reliability needs labels with probabilities.
    """
    agreed = agreement(human, judged, scale, resamples=resamples, seed=seed)
    biased = bias(human, judged, texts, queries, scale, resamples=resamples, seed=seed)
    ranked = systems(variants(runs, seed=seed), human, judged, scale, resamples=resamples, seed=seed)
    figures: dict[str, Figure | None] = {
        "kappa": agreed.kappa,
        "kappa_binary": agreed.kappa_binary,
        "kappa_quadratic": agreed.kappa_quadratic,
        "alpha_ordinal": agreed.alpha_ordinal,
        "mae": agreed.mae,
        "auc": agreed.auc,
        "auc_within_query": agreed.auc_within_query,
        "over_rating": agreed.over_rating,
        "length_bias": biased.length,
        "term_overlap_bias": biased.term_overlap,
        "tau_systems": ranked.tau,
        "ece_relevant": None,
        "ece_confidence": None,
        "share_within_one_above_90": None,
    }
    counts = {"pairs": agreed.pairs, "queries": agreed.queries, "systems": len(ranked.human), "pairs_above_90": 0}
    if has_probabilities(judged):
        reliable = reliability(human, judged, scale, resamples=resamples, seed=seed)
        counts["pairs_above_90"] = reliable.pairs_above_90
        for each in ("ece_relevant", "ece_confidence", "share_within_one_above_90"):
            figures[each] = getattr(reliable, each)
    return {"name": name, **counts, **{key: f and f.to_json() for key, f in figures.items()}}


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


def inputs(name: str) -> tuple[dict[str, str], dict[str, str], dict[str, pl.DataFrame]]:
    """Return a collection's rendered texts by doc_id, queries by query_id, and runs by name: what `row` reads."""
    source = FolderCollection(COLLECTIONS / name, trec=False)
    texts = {document.doc_id: render(document.fields) for document in source.documents()}
    queries = {query.query_id: query.text for query in source.queries()}
    return texts, queries, {path.stem: read_run(path) for path in sorted((COLLECTIONS / name / "runs").glob("*.trec"))}
