"""Ask people where it pays: pick the judged pairs whose human label would help most, and merge the answers into qrels.

A pair's value is uncertainty x 1 / log2(rank + 1) / k: the entropy of the judge's distribution over its largest
possible, DCG's discount of the pair's rank (Järvelin and Kekäläinen 2002), and k for the k-th pair taken of a query, so
that one hard query does not take every place. Ranks are those of the judge's expected grades among a query's judged
pairs, or a run's. Grades so picked are worth more than random ones, and no order measured is worth more
(benchmarks/rerankers.md, "Which labels next").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relsearch.core.display.wording import counted
from relsearch.core.errors import DataError, NothingToReviewError
from relsearch.core.files.text_files import fail, lines
from relsearch.core.types import Scale, StrPath
from relsearch.data.trec import columns, read_qrels

_PAIR = ["query_id", "doc_id"]
_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Merge:
    """The text of merged qrels, and how many labels were added, changed or there already."""

    text: str
    added: int
    changed: int
    same: int


def pick(judged: pl.DataFrame, *, human: pl.DataFrame, pool: pl.DataFrame | None, count: int) -> pl.DataFrame:
    """Return the `count` pairs worth most, best first: query_id, doc_id, judged_grade, uncertainty, rank.

    `judged` is a judgments table, `human` any table of the pairs that people labelled. With `pool`, a candidates table,
    its ranks count, not the judge's; a pair outside it weighs as its deepest rank does. A pair that the judge could not
    grade counts as its first. `rank` is the pool's, null without one. Ties go by query, document. Raise
    NothingToReviewError where no pair is left, DataError where labels have no distributions over the same grades.
    """
    known = pl.concat([human.select(_PAIR), judged.filter(pl.col("source") == "human").select(_PAIR)])
    by_judge = pl.col("expected").rank("min", descending=True).over("query_id").fill_null(1)
    ranked = judged.sort(*_PAIR, "judge").unique(_PAIR, keep="first").with_columns(by_judge=by_judge)
    asked = ranked.join(known, on=_PAIR, how="anti").sort(*_PAIR)
    if asked.is_empty():
        raise NothingToReviewError("no pair to review: every judged pair has a human label; judge more pairs")
    valued = _weighted(asked.with_columns(uncertainty=pl.Series(_uncertainty(asked))), pool)
    turn = pl.int_range(1, pl.len() + 1).over("query_id")
    spread = valued.sort("value", "doc_id", descending=[True, False]).with_columns(value=pl.col("value") / turn)
    best = spread.sort("value", *_PAIR, descending=[True, False, False]).head(count)
    return best.select(*_PAIR, pl.col("grade").alias("judged_grade"), "uncertainty", "rank")


def merge(labels: pl.DataFrame, qrels: StrPath, scale: Scale, *, source: StrPath, overwrite: bool = False) -> Merge:
    """Return the qrels with the labels that `source` gave in the lines of column `line`; the file is not written.

    Lines that are there stay as they are, new ones follow. Raise DataError naming both places where a pair has
    another grade there, unless it may be overwritten.
    """
    new = {(query, doc): grade for query, doc, grade in labels.select(*_PAIR, "grade").iter_rows()}
    qrels = Path(qrels)
    old = _known(qrels, scale)
    changed = {pair: grade for pair, grade in new.items() if old.get(pair, grade) != grade}
    if changed and not overwrite:
        pair = next(iter(changed))
        line = dict(zip(new, labels["line"], strict=True))[pair]
        there = f"{qrels} has {old[pair]}"
        fail(source, line, f"query {pair[0]!r}, document {pair[1]!r}: grade {new[pair]}, but {there}; --overwrite?")
    added = [f"{query} 0 {doc} {grade}" for (query, doc), grade in new.items() if (query, doc) not in old]
    text = "".join(f"{line}\n" for line in [*_kept(qrels, changed), *added])
    return Merge(text, len(added), len(changed), len(new) - len(added) - len(changed))


def with_grade(qrels: StrPath, query_id: str, doc_id: str, grade: int | None) -> str:
    """Return the text of qrels with one pair's grade, or without the pair where it is None; the file is not written.

    Other lines stay as they are; raise DataError where one of them is no line of TREC qrels.
    """
    kept = list(_kept(Path(qrels), {(query_id, doc_id): grade}))
    there = any(columns(line)[::2] == [query_id, doc_id] for line in kept)
    added = [] if there or grade is None else [f"{query_id} 0 {doc_id} {grade}"]
    return "".join(f"{line}\n" for line in [*kept, *added])


def _known(qrels: Path, scale: Scale) -> dict[_Pair, int]:
    if not qrels.exists():
        return {}
    rows = read_qrels(qrels, scale, may_be_empty=True).select(*_PAIR, "grade").iter_rows()
    return {(query, doc): grade for query, doc, grade in rows}


def _kept(qrels: Path, changed: Mapping[_Pair, int | None]) -> Iterator[str]:
    """The lines of qrels with the changed grades; a pair whose grade is None goes."""
    for number, line in lines(qrels) if qrels.exists() else ():
        parts = columns(line)
        if len(parts) != 4:
            fail(
                qrels, number, f"{counted(len(parts), 'column')}; a line of qrels to add to is: query 0 document grade"
            )
        query, iteration, doc, _ = parts
        if (query, doc) not in changed:
            yield line
        elif (grade := changed[query, doc]) is not None:
            yield f"{query} {iteration} {doc} {grade}"


def _uncertainty(asked: pl.DataFrame) -> NDArray[np.float64]:
    """Entropies in [0, 1]; where the judge was asked and gave no grade, nothing is known: 1."""
    from scipy.stats import entropy

    found = np.ones(asked.height)
    graded = asked["grade"].is_not_null()
    shares = asked["probabilities"].filter(graded)
    if shares.null_count() or shares.list.len().n_unique() > 1:
        raise DataError("judgments: not every label has a distribution over one scale's grades; judge the pairs again")
    if len(shares):
        rows = np.asarray(shares.to_list(), dtype=np.float64)
        # Rounded, so that ties are ties on every machine.
        found[graded.to_numpy()] = np.round(np.asarray(entropy(rows, axis=1)) / np.log(rows.shape[1]), 6)
    return found


def _weighted(pairs: pl.DataFrame, pool: pl.DataFrame | None) -> pl.DataFrame:
    if pool is None:
        discounted = pl.col("uncertainty") / (pl.col("by_judge") + 1).log(2)
        return pairs.with_columns(rank=pl.lit(None, pl.Int32), value=discounted)
    ranked = pairs.join(pool.group_by(_PAIR).agg(pl.col("rank").min()), on=_PAIR, how="left")
    if ranked["rank"].null_count() == ranked.height:
        raise DataError("no judged pair is in the run; pass the run that the judged pool came from")
    rank = pl.col("rank").fill_null(pl.lit(pool["rank"].max()))
    return ranked.with_columns(value=pl.col("uncertainty") / (rank + 1).log(2))
