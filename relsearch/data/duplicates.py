"""Texts that nearly repeat others: MinHash finds who may be alike (Broder 1997), exact Jaccard similarity decides.

Similarity is of sets of character shingles, so that word forms and small edits count little and word order some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
from datasketch import MinHash, MinHashLSH

from relsearch.data.pool import normalised

HELD_OUT = ("dev", "test")
CONTAMINATED = "contaminated"

_SHINGLE = 4  # characters; queries are short, longer shingles tell "cat food" from "cats food"
_PERMUTATIONS = 128
# The search for who may be alike misses few at the cost of more exact comparisons, which are cheap.
_RECALL = (0.05, 0.95)


def set_apart(queries: pl.DataFrame, *, threshold: float) -> pl.DataFrame:
    """Return the queries table with the split `contaminated` where a query to learn from repeats a held-out one.

    Neither the judge nor a reranker learns from such a query, and nothing is measured on it.
    """
    held_out = pl.col("split").is_in(HELD_OUT)
    others = queries.filter(held_out)["text"]
    named = dict(queries.filter(~held_out).select("query_id", "text").iter_rows())
    found = sorted(repeats(named, others, threshold=threshold))
    split = pl.when(pl.col("query_id").is_in(found)).then(pl.lit(CONTAMINATED)).otherwise(pl.col("split"))
    return queries.with_columns(split=split)


def repeats(texts: Mapping[str, str], of: Iterable[str], *, threshold: float) -> set[str]:
    """Return the ids of the texts that equal one of `of` but for case and punctuation, or are at least so similar."""
    others = sorted({normalised(text) for text in of})
    exact = set(others)
    same = {key for key, text in texts.items() if normalised(text) in exact}
    rest = {key: normalised(text) for key, text in texts.items() if key not in same}
    index = _Index(threshold)
    for text in others:
        index.add(text)
    return same | {key for key, text in rest.items() if index.holds_like(text)}


def first_of_each(texts: Mapping[str, str], *, threshold: float) -> list[str]:
    """Return the ids of the texts that no earlier kept text equals or resembles, in their order."""
    index = _Index(threshold)
    kept = []
    for key, text in texts.items():
        plain = normalised(text)
        if not index.holds_like(plain):
            index.add(plain)
            kept.append(key)
    return kept


class _Index:
    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        # Exact at 1: nothing but equality is asked for, and datasketch wants less.
        self._near = MinHashLSH(threshold=min(threshold, 0.99), num_perm=_PERMUTATIONS, weights=_RECALL)
        self._shingles: dict[str, frozenset[str]] = {}

    def add(self, text: str) -> None:
        if text not in self._shingles:
            self._shingles[text] = shingles(text)
            self._near.insert(text, _minhash(self._shingles[text]))

    def holds_like(self, text: str) -> bool:
        if text in self._shingles:
            return True
        mine = shingles(text)
        return any(
            jaccard(mine, self._shingles[other]) >= self._threshold for other in self._near.query(_minhash(mine))
        )


def shingles(text: str) -> frozenset[str]:
    """Return the runs of four characters of a text that has a space at either end."""
    padded = f" {text} "
    return frozenset(padded[start : start + _SHINGLE] for start in range(max(1, len(padded) - _SHINGLE + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of all shingles that both have."""
    return len(one & other) / len(one | other)


def _minhash(items: frozenset[str]) -> MinHash:
    sketch = MinHash(num_perm=_PERMUTATIONS)
    sketch.update_batch([item.encode("utf-8", "surrogatepass") for item in sorted(items)])
    return sketch
