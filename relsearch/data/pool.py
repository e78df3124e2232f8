"""Pools: the union of what searchers found, and the split of queries into train, dev and test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.tables import CANDIDATES

# Reciprocal-rank fusion's constant, from Cormack et al. (2009).
_RRF_K = 60
_PAIR = ["query_id", "doc_id"]
# With fewer queries to learn from none is set apart as dev: a fifth of them could neither choose nor calibrate.
CROSS_VALIDATED_BELOW = 20


def union(runs: Sequence[pl.DataFrame], depth: int) -> pl.DataFrame:
    """Return the candidates of all runs down to `depth` in each, every document once a query.

    One run is kept as it is. Several are ordered by reciprocal-rank fusion (ties by doc_id), the score is
    the fused one, and `searcher` joins the names of all that found the document.
    """
    if not runs:
        raise DataError("no run to take candidates from")
    cut = [run.filter(pl.col("rank") <= depth) for run in runs]
    if len(runs) == 1:
        return cut[0]
    every = pl.concat(cut)
    turn = every.select("query_id").unique(maintain_order=True).with_row_index("turn")
    fused = (
        every.sort("query_id", "doc_id", "searcher")
        .group_by("query_id", "doc_id", maintain_order=True)
        .agg((1 / (_RRF_K + pl.col("rank"))).sum().alias("score"), pl.col("searcher").unique(maintain_order=True))
        .join(turn, on="query_id")
        .sort("turn", "score", "doc_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query_id"), searcher=pl.col("searcher").list.join("+"))
    )
    return fused.select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())


def whole_pools(pool: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return query_id and doc_id of the pools of the wanted pairs' queries, sorted, each pair once.

    Wanted pairs that no search found are in it too.
    """
    others = pool.join(wanted, on="query_id", how="semi").select(_PAIR)
    return pl.concat([wanted.select(_PAIR), others]).unique().sort(_PAIR)


def split(
    queries: pl.DataFrame,
    *,
    labelled: set[str],
    dev_share: float,
    test_share: float,
    seed: int,
    cross_validated_below: int = CROSS_VALIDATED_BELOW,
) -> pl.DataFrame:
    """Add the column `split`: train, dev or test for labelled queries, unlabelled for the others.

    Whole queries are split, by a hash of seed and text, so the order of the input does not matter. Queries
    of equal text (but for case, punctuation and spaces) share a split, an unlabelled twin too: no text of a
    held-out query is ever trained on. Of three texts or more each split that has a share gets at least one, but that
    there is no dev split where fewer than `cross_validated_below` texts are left besides the test.
    """
    if dev_share + test_share >= 1:
        raise DataError(f"dev and test take {dev_share + test_share:.0%} of the queries; leave some for training")
    texts = {query_id: normalised(text) for query_id, text in queries.select("query_id", "text").iter_rows()}
    groups = sorted({texts[query_id] for query_id in labelled & texts.keys()}, key=lambda text: _draw(text, seed))
    least = 1 if len(groups) > 2 else 0
    test = max(round(test_share * len(groups)), least if test_share else 0)
    dev = max(round(dev_share * len(groups)), least) if len(groups) - test >= cross_validated_below else 0
    test -= max(0, test + dev + least - len(groups))  # shares that leave too little to learn from
    names = ["test"] * test + ["dev"] * dev + ["train"] * (len(groups) - test - dev)
    split_of = dict(zip(groups, names, strict=True))
    assigned = [_assign(split_of.get(texts[query_id]), query_id in labelled) for query_id in queries["query_id"]]
    return queries.with_columns(split=pl.Series(assigned, dtype=pl.String))


def normalised(text: str) -> str:
    """Return a query's text without case, punctuation and extra spaces; the text itself if nothing is left."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", text.casefold()).split()) or text


def _assign(split_of_text: str | None, labelled: bool) -> str:
    if labelled:
        return split_of_text or "train"
    return split_of_text if split_of_text in ("dev", "test") else "unlabelled"


def _draw(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
