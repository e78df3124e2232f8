"""Pools: the union of what searchers found, and the split of queries into train, dev and test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.tables import CANDIDATES
from relsearch.data.plain_run import Numbers

# Reciprocal-rank fusion's constant, from Cormack et al. (2009).
_RRF_K = 60
_PAIR = ["query_id", "doc_id"]
_QUERIES = 500  # whose candidates are united at once: sorting all of them takes several times their memory
# With fewer queries to learn from none is set apart as dev: a fifth of them could neither choose nor calibrate.
CROSS_VALIDATED_BELOW = 20


def union(runs: Iterable[pl.DataFrame], depth: int) -> pl.DataFrame:
    """Return the candidates of all runs down to `depth` in each, every document once a query.

    One run is kept as it is. Several are ordered by reciprocal-rank fusion (ties by doc_id), the score is
    the fused one, and `searcher` joins the names of all that found the document. Runs are taken one after the other,
    so that of a generator one at a time is in memory.
    """
    queries, searchers = Numbers(), Numbers()

    def head(run: pl.DataFrame) -> pl.DataFrame:
        return _numbered(run, queries, searchers).filter(pl.col("rank") <= depth)

    heads = list(map(head, runs))  # a loop's variable would hold a run while the next one is read
    if not heads:
        raise DataError("no run to take candidates from")
    names = queries.texts(), searchers.texts()
    if len(heads) == 1:
        return _named(heads[0], *names)
    heads = [rows.drop("score") for rows in heads]
    heads = [rows if rows["query"].is_sorted() else rows.sort("query", maintain_order=True) for rows in heads]
    starts = pl.Series(range(0, max(1, len(queries)), _QUERIES), dtype=pl.UInt32)
    ends = [[*rows["query"].search_sorted(starts), rows.height] for rows in heads]
    blocks = ([rows[at[n] : at[n + 1]] for rows, at in zip(heads, ends, strict=True)] for n in range(len(starts)))
    return pl.concat(_fused(pl.concat(block), *names) for block in blocks)


def _numbered(run: pl.DataFrame, queries: Numbers, searchers: Numbers) -> pl.DataFrame:
    """The run with numbers for queries and searchers, which take a third of its memory."""
    numbers = {"query": queries.encode(run["query_id"]), "searcher": searchers.encode(run["searcher"])}
    return run.select("doc_id", "rank", "score").with_columns(**numbers)


def _named(rows: pl.DataFrame, queries: pl.Series, searchers: pl.Series) -> pl.DataFrame:
    names = {"query_id": queries.gather(rows["query"]), "searcher": searchers.gather(rows["searcher"])}
    return rows.with_columns(**names).select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())


def _fused(rows: pl.DataFrame, queries: pl.Series, searchers: pl.Series) -> pl.DataFrame:
    fused = (
        rows.with_columns(searcher=searchers.gather(rows["searcher"]))
        .sort("query", "doc_id", "searcher")
        .group_by("query", "doc_id", maintain_order=True)
        .agg((1 / (_RRF_K + pl.col("rank"))).sum().alias("score"), pl.col("searcher").unique(maintain_order=True))
        .sort("query", "score", "doc_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query"), searcher=pl.col("searcher").list.join("+"))
    )
    named = fused.with_columns(query_id=queries.gather(fused["query"]))
    return named.select(pl.col(name).cast(kind) for name, kind in CANDIDATES.items())


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
