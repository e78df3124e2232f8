"""Join human and judged labels into the graded examples that a reranker trains on.

`[augment] policies` chooses which judged labels join:

fill         pairs in the pools of training queries that no person labelled
unlabelled   queries without any human label
synthetic    queries written from documents

A human label wins over a judged one on the same pair; a judged one wins over an assumed one. Judged labels below the
confidence floor and missing ones are left out; of the others a query keeps the most confident, up to `max_per_query`.
The gain of a human example is its grade on the scale; that of a judged one the expected grade, which keeps the judge's
doubt, or the likeliest grade if `[augment] labels` is "hard".
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np
import polars as pl

from relsearch.core.errors import DataError, GateError
from relsearch.core.settings.config import AugmentConfig, Policy
from relsearch.core.tables import EXAMPLES, first_per_query
from relsearch.core.types import Scale
from relsearch.data.assumed import ASSUMED
from relsearch.stats.bootstrap import Figure

_PAIR = ["query_id", "doc_id"]
# The source of an example with a judged label, by the policy that brought it in.
SOURCES: Mapping[Policy, str] = {
    "fill": "judge",
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


def why_accepted(kappa: Figure | None, *, accuracy: float, majority: float) -> str:
    """Return why a judge's labels are used, in a sentence that compares its accuracy with the majority class's."""
    shown = "not defined" if kappa is None else f"{kappa.value:.3f} [{kappa.low:.3f}, {kappa.high:.3f}]"
    rates = f"accuracy {accuracy:.3f}, of the majority class {majority:.3f}"
    if kappa is None or not kappa.low > 0:
        return f"Judged labels are used since [augment] force = true says so: kappa {shown}, {rates}."
    if accuracy > majority:
        return f"Judged labels are used since the judge is better than the majority class: kappa {shown}, {rates}."
    return (
        f"Judged labels are used since kappa is above 0: {shown}. The majority class names more grades rightly "
        f"({rates}), but the same one for every document; a reranker learns from which the judge puts above the others."
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
    chosen = _chosen(asked, own, synthetic=synthetic, config=config)
    grade = pl.col("expected") if config.labels == "soft" else pl.col("grade")
    surest = chosen.sort("query_id", "confidence", "doc_id", descending=[False, True, False])
    added = _gained(first_per_query(surest, config.max_per_query), grade, scale)
    return _examples(pl.concat([own.join(added, on=_PAIR, how="anti"), added], how="diagonal"))


def _own(human: pl.DataFrame, queries: Set[str], scale: Scale) -> pl.DataFrame:
    labelled = human.filter(pl.col("query_id").is_in(queries)).drop_nulls("grade")
    return _gained(labelled, pl.col("grade"), scale).with_columns(weight=pl.lit(1.0))


def _chosen(judged: pl.DataFrame, own: pl.DataFrame, *, synthetic: Set[str], config: AugmentConfig) -> pl.DataFrame:
    """The judged labels that a chosen policy brings in, with weight and source."""
    policy = (
        pl.when(pl.col("query_id").is_in(sorted(synthetic)))
        .then(pl.lit("synthetic"))
        .when(pl.col("query_id").is_in(sorted(set(own["query_id"]))))
        .then(pl.lit("fill"))
        .otherwise(pl.lit("unlabelled"))
    )
    human = own.filter(pl.col("source") != ASSUMED)
    named = judged.join(human, on=_PAIR, how="anti").with_columns(policy=policy)
    chosen = named.filter(
        pl.col("policy").is_in(sorted(config.chosen)) & (pl.col("confidence") >= config.confidence_floor)
    )
    source = pl.col("policy").replace_strict(dict(SOURCES), return_dtype=pl.String)
    return chosen.with_columns(weight=pl.lit(config.weight), source=source)


def _gained(judgments: pl.DataFrame, grade: pl.Expr, scale: Scale) -> pl.DataFrame:
    return judgments.with_columns(gain=(grade.cast(pl.Float64) - scale.lowest) / (scale.highest - scale.lowest))


def _examples(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in EXAMPLES.items()).sort("query_id", "doc_id")
