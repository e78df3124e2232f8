"""Join human and judged labels into the graded examples that a reranker trains on.

The menu, `[augment] policies`:

fill         pairs of training queries' pools that no person labelled
relabel      pairs that people graded irrelevant and the judge, sure of it, relevant
unlabelled   queries without any human label
synthetic    queries written from documents

A human label wins over a judge's on the same pair but where `relabel` is chosen; that nobody labelled a pair, so that
it was assumed to be irrelevant, does not win over `fill`. Judge labels below the confidence
floor and missing ones are left out; a query has at most so many, the most confident first, and at most so many
irrelevant ones for each relevant one. A human example's gain is its grade on the scale, a judged one's the expected
grade, so that the judge's doubt is kept, or the likeliest grade where labels are hard.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import get_args

import numpy as np
import polars as pl

from relsearch.core.errors import DataError, GateError
from relsearch.core.settings.config import AugmentConfig
from relsearch.core.settings.training_sections import Policy
from relsearch.core.tables import EXAMPLES, first_per_query
from relsearch.core.types import Scale
from relsearch.data.assumed import ASSUMED
from relsearch.stats.bootstrap import Figure

_PAIR = ["query_id", "doc_id"]
# What an example's source says of a judge label: who gave it and by which policy it came in.
SOURCES: Mapping[Policy, str] = {
    "fill": "judge",
    "relabel": "relabelled",
    "unlabelled": "unlabelled",
    "synthetic": "synthetic",
}


def gate_judge(kappa: Figure | None, *, force: bool) -> None:
    """Refuse judge labels that are no better than answering one grade to everything, or not known to be.

    `kappa` is Cohen's kappa on held-out human pairs, None where these cannot tell it; answering the majority class to
    everything has a kappa of 0 by definition.
    """
    if force:
        return
    if kappa is None or np.isnan(kappa.low):
        reason = "those labels are all of one grade" if kappa is None else "they are of a single query"
        raise GateError(
            "augment: held-out human labels cannot tell whether the judge is better than the majority class: "
            f"{reason}; label more queries, or set [augment] force = true"
        )
    if not kappa.low > 0:
        raise GateError(
            f"augment: the judge agrees with held-out human labels no better than the majority class "
            f"(kappa {kappa.value:.3f}, 95 % CI from {kappa.low:.3f}); tune it on more labels, or set [augment] "
            "force = true"
        )


def human_examples(human: pl.DataFrame, *, queries: Set[str], scale: Scale) -> pl.DataFrame:
    """Return the training examples that people's labels make alone: EXAMPLES schema, ordered by query and document."""
    return _examples(_own(human, queries, scale))


def augment(
    human: pl.DataFrame,
    judged: pl.DataFrame | None,
    *,
    queries: Set[str],
    scale: Scale,
    config: AugmentConfig,
    synthetic: Set[str] = frozenset(),
) -> pl.DataFrame:
    """Return training examples for the given queries: EXAMPLES schema, ordered by query and document.

    `human`, which may hold assumed labels, and `judged` are judgments tables; judged rows must carry expected grade
    and confidence. `synthetic` are the ids of those queries that were written from documents.
    """
    own = _own(human, queries, scale)
    if judged is None:
        return _examples(own)
    asked = judged.drop_nulls("grade").filter(pl.col("query_id").is_in(queries))
    if asked.select("expected", "confidence").null_count().sum_horizontal().item():
        raise DataError("judgments: a judge label has no expected grade or confidence; judge the pairs again")
    chosen = _chosen(asked, own, synthetic=synthetic, scale=scale, config=config)
    grade = pl.col("expected") if config.labels == "soft" else pl.col("grade")
    theirs = _gained(_weighted(chosen, config), grade, scale)
    added = _capped(theirs, own.join(theirs, on=_PAIR, how="anti"), scale=scale, config=config)
    return _examples(pl.concat([own.join(added, on=_PAIR, how="anti"), added], how="diagonal"))


def _own(human: pl.DataFrame, queries: Set[str], scale: Scale) -> pl.DataFrame:
    labelled = human.filter(pl.col("query_id").is_in(queries)).drop_nulls("grade")
    return _gained(labelled, pl.col("grade"), scale).with_columns(weight=pl.lit(1.0))


def _chosen(
    judged: pl.DataFrame, own: pl.DataFrame, *, synthetic: Set[str], scale: Scale, config: AugmentConfig
) -> pl.DataFrame:
    """The judge labels that a chosen policy brings in, with the policy's name."""
    labelled = set(own["query_id"])
    human = own.filter(pl.col("source") != ASSUMED).select(*_PAIR, pl.col("grade").alias("human_grade"))
    policy = (
        pl.when(pl.col("human_grade").is_not_null())
        .then(pl.lit("relabel"))
        .when(pl.col("query_id").is_in(sorted(synthetic)))
        .then(pl.lit("synthetic"))
        .when(pl.col("query_id").is_in(sorted(labelled)))
        .then(pl.lit("fill"))
        .otherwise(pl.lit("unlabelled"))
    )
    overrules = (
        (pl.col("human_grade") < scale.relevant)
        & (pl.col("grade") >= scale.relevant)
        & (pl.col("confidence") >= config.relabel_floor)
    )
    named = judged.join(human, on=_PAIR, how="left").with_columns(policy=policy)
    return named.filter(
        pl.col("policy").is_in(sorted(config.chosen))
        & (pl.col("confidence") >= config.confidence_floor)
        & (pl.col("human_grade").is_null() | overrules)
    ).drop("human_grade")


def _weighted(judged: pl.DataFrame, config: AugmentConfig) -> pl.DataFrame:
    names = get_args(Policy)
    weights = pl.col("policy").replace_strict({name: config.weight_of(name) for name in names}, return_dtype=pl.Float64)
    confidence = pl.col("confidence") if config.confidence_weight else pl.lit(1.0)
    return judged.with_columns(weight=weights * confidence, source=pl.col("policy").replace_strict(dict(SOURCES)))


def _capped(theirs: pl.DataFrame, own: pl.DataFrame, *, scale: Scale, config: AugmentConfig) -> pl.DataFrame:
    """The surest labels of each query up to the cap, and of the irrelevant ones as many as the ratio allows."""
    relevant = pl.col("grade") >= scale.relevant
    first = theirs.sort("query_id", "confidence", "doc_id", descending=[False, True, False])
    first = first_per_query(first, config.max_per_query)
    if config.max_irrelevant_ratio is None:
        return first
    both = pl.concat([own.select("query_id", "grade"), first.select("query_id", "grade")])
    counts = both.group_by("query_id").agg(relevant.sum().alias("relevant"))
    # A query with nothing relevant still teaches what to put low: it counts as having one.
    allowed = (pl.col("relevant").clip(lower_bound=1) * config.max_irrelevant_ratio).ceil()
    place = (~relevant).cum_sum().over("query_id")
    ranked = first.join(counts, on="query_id", maintain_order="left").with_columns(place=place, allowed=allowed)
    return ranked.filter(relevant | (pl.col("place") <= pl.col("allowed"))).drop("relevant", "place", "allowed")


def _gained(judgments: pl.DataFrame, grade: pl.Expr, scale: Scale) -> pl.DataFrame:
    return judgments.with_columns(gain=(grade.cast(pl.Float64) - scale.lowest) / (scale.highest - scale.lowest))


def _examples(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in EXAMPLES.items()).sort("query_id", "doc_id")
