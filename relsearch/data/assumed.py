"""What the candidates that nobody labelled count as: labels often name relevant documents only."""

from __future__ import annotations

import polars as pl

from relsearch.core.settings.config import Unjudged
from relsearch.core.types import LabelSource, Scale

ASSUMED: LabelSource = "assumed"
_PAIR = ["query_id", "doc_id"]


def with_assumed(human: pl.DataFrame, candidates: pl.DataFrame, *, unjudged: Unjudged, scale: Scale) -> pl.DataFrame:
    """Return the human labels, and one of the lowest grade for each other candidate of a labelled query.

    `unknown` adds none, `irrelevant` all; `auto` adds them where no person gave the lowest grade, as in click logs
    and BEIR's qrels: without them nothing there says what irrelevant looks like. Source "assumed" marks them.
    """
    if unjudged == "unknown" or (unjudged == "auto" and (human["grade"] == scale.lowest).any()):
        return human
    rest = candidates.join(human, on="query_id", how="semi").join(human, on=_PAIR, how="anti")
    pairs = rest.select(_PAIR).unique().sort(_PAIR)
    assumed = pairs.with_columns(grade=pl.lit(scale.lowest, pl.Int32), source=pl.lit(ASSUMED))
    return pl.concat([human, assumed], how="diagonal")
