"""A stack's labels from its members' finished ones: nothing is read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import judge_measures as measures
from benchmarks.judge_data import SCALE, SEED
from relsearch.config import Aim
from relsearch.judge.card import HELD_OUT, read_card
from relsearch.judge.stack import fit_stack
from relsearch.ordinal import CumulativeLink, cut


def stacked(
    name: str, members: Mapping[str, Path], judged: Mapping[str, pl.DataFrame], *, aim: Aim, output: Path
) -> pl.DataFrame:
    """Fit a stack of judge folders on their held-out pairs; return its labels of the pairs that all members labelled.

    `judged` has each member's labels; the stack is written to `output`.
    """
    common = _common({member: pl.read_parquet(folder / HELD_OUT) for member, folder in members.items()})
    columns = {member: common[member].to_numpy() for member in members}
    card = fit_stack(
        members, columns, common["grade"].to_list(), common["query_id"].to_list(), aim=aim, seed=SEED, output=output
    )
    both = _common({member: _scored(judged[member], output / member) for member in members})
    scores = card.blend.scores(both.select(card.blend.columns).to_numpy())
    rows = CumulativeLink.from_json(card.calibration).probabilities(scores)
    return measures.labels(both, cut(scores, card.cuts, SCALE), rows, SCALE, judge=name)


def _common(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The pairs of all tables, with each one's score in a column of its name, and the grade where they have one."""
    named = [
        table.rename({"score": name}).select("query_id", "doc_id", *({"grade"} & set(table.columns)), name)
        for name, table in tables.items()
    ]
    both = named[0]
    for other in named[1:]:
        both = both.join(other.drop("grade", strict=False), on=["query_id", "doc_id"])
    return both.sort("query_id", "doc_id")


def _scored(judged: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The ordinal score of each labelled pair, back from its distribution: the inverse of the judge's calibration."""
    link = CumulativeLink.from_json(read_card(folder).calibration)
    lowest = judged["probabilities"].list.first().to_numpy()
    logits = np.log1p(-lowest) - np.log(lowest) + link.thresholds[0]
    return judged.select("query_id", "doc_id").with_columns(score=logits / link.slope * link.deviation + link.mean)
