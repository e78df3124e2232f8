"""Join human and judged labels into the graded examples that a reranker trains on.

Policy: a human label always wins over a judge's on the same pair; judge labels below the confidence floor
and missing ones are left out; at most so many judged pairs a query, the most confident first. A human
example's gain is its grade on the scale, a judged one's the expected grade, so that the judge's doubt is kept.
"""

from __future__ import annotations

import polars as pl

from relsearch.config import AugmentConfig
from relsearch.errors import DataError, GateError
from relsearch.tables import EXAMPLES
from relsearch.types import Scale


def gate_judge(kappa: float, *, low: float, force: bool) -> None:
    """Refuse judge labels that are no better than answering one grade to everything.

    `kappa` is Cohen's kappa on held-out human pairs and `low` the lower end of its confidence interval;
    answering the majority class to everything has a kappa of 0 by definition.
    """
    if not force and not low > 0:
        raise GateError(
            f"augment: the judge agrees with held-out human labels no better than the majority class "
            f"(kappa {kappa:.3f}, 95 % CI from {low:.3f}); tune it on more labels, or set [augment] force = true"
        )


def augment(
    human: pl.DataFrame, judged: pl.DataFrame | None, *, queries: set[str], scale: Scale, config: AugmentConfig
) -> pl.DataFrame:
    """Return training examples for the given queries: EXAMPLES schema, ordered by query and document.

    `human` and `judged` are judgments tables; judged rows must carry expected grade and confidence.
    """
    own = _examples(human.filter(pl.col("query_id").is_in(queries)), pl.col("grade"), scale, weight=1.0)
    if judged is None:
        return own.sort("query_id", "doc_id")
    judged = judged.drop_nulls("grade")
    if judged.select("expected", "confidence").null_count().sum_horizontal().item():
        raise DataError("judgments: a judge label has no expected grade or confidence; judge the pairs again")
    added = (
        judged.filter(pl.col("query_id").is_in(queries) & (pl.col("confidence") >= config.confidence_floor))
        .join(own, on=["query_id", "doc_id"], how="anti")
        .sort("query_id", "confidence", "doc_id", descending=[False, True, False])
        .group_by("query_id", maintain_order=True)
        .head(config.max_per_query)
    )
    theirs = _examples(added, pl.col("expected"), scale, weight=config.weight)
    return pl.concat([own, theirs]).sort("query_id", "doc_id")


def _examples(judgments: pl.DataFrame, grade: pl.Expr, scale: Scale, *, weight: float) -> pl.DataFrame:
    span = scale.highest - scale.lowest
    return judgments.with_columns(
        gain=(grade.cast(pl.Float64) - scale.lowest) / span, weight=pl.lit(weight, pl.Float64)
    ).select(pl.col(name).cast(kind) for name, kind in EXAMPLES.items())
