"""Grades that a judge's cuts give to queries that the cuts were not fitted on.

A judge's cuts are fitted on the human grades of held-out queries. Measured on these very queries, even random scores
agree with people.
"""

from __future__ import annotations

import polars as pl

from relsearch.core.settings.config import Aim
from relsearch.core.types import Scale
from relsearch.judge.calibration.thresholds import fit_thresholds
from relsearch.stats.dealing import dealt
from relsearch.stats.ordinal import grade_scores

_PAIR = ["query_id", "doc_id"]
_FOLDS = 5


def cross_fitted(judged: pl.DataFrame, human: pl.DataFrame, scale: Scale, *, aim: Aim, seed: int) -> pl.DataFrame:
    """Return the judgments of the human pairs, each graded anew by cuts that were fitted on other queries.

    The cuts are of the expected grade, which orders pairs as the judge's score does; queries are dealt to at most five
    folds. Pairs without a label are left out, and a single query keeps its grades: there is no other one.
    """
    both = judged.join(human.select(*_PAIR, human="grade"), on=_PAIR).drop_nulls("expected").sort(_PAIR)
    folds = dealt(both["query_id"], _FOLDS, seed=seed)
    if len(folds) < 2:
        return both.drop("human")
    parts = []
    for fold in folds:
        rest, part = both.filter(~pl.col("query_id").is_in(fold)), both.filter(pl.col("query_id").is_in(fold))
        cuts = fit_thresholds(
            rest["expected"].to_numpy(), rest["human"].to_list(), rest["query_id"].to_list(), scale, aim=aim, seed=seed
        )
        grades = grade_scores(part["expected"].to_numpy(), cuts, scale)
        parts.append(part.with_columns(grade=pl.Series(grades, dtype=pl.Int32)))
    return pl.concat(parts).drop("human").sort(_PAIR)
