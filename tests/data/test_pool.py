"""Pools and splits: nothing is lost, nothing leaks, nothing depends on order."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import DataError
from relsearch.core.tables import candidates_table
from relsearch.core.types import Candidate
from relsearch.data.pool import normalised, split, union, whole_pools

TEXTS = st.lists(st.text(alphabet="abc ?!AB", min_size=1, max_size=5), min_size=1, max_size=40)
DOCS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def _run(docs: list[str], searcher: str) -> pl.DataFrame:
    return candidates_table(Candidate("q", doc, -float(rank), rank, searcher) for rank, doc in enumerate(docs, 1))


def _split(texts: list[str], *, seed: int = 1, labelled: set[str] | None = None) -> dict[str, str]:
    queries = pl.DataFrame({"query_id": [str(n) for n in range(len(texts))], "text": texts})
    named = set(queries["query_id"]) if labelled is None else labelled
    table = split(queries, labelled=named, dev_share=0.2, test_share=0.4, seed=seed)
    return dict(table.select("query_id", "split").iter_rows())


@given(DOCS, DOCS, st.integers(1, 8))
def test_a_union_holds_every_document_once_down_to_the_depth(first: list[str], second: list[str], depth: int) -> None:
    """The pool is the set union of both heads, ranked 1..n."""
    pool = union([_run(first, "x"), _run(second, "y")], depth)
    assert sorted(pool["doc_id"]) == sorted({*first[:depth], *second[:depth]})
    assert pool["rank"].to_list() == list(range(1, pool.height + 1))


def test_a_document_that_both_found_comes_first_and_names_both() -> None:
    """Reciprocal-rank fusion lifts what two searchers agree on."""
    pool = union([_run(["a", "b"], "x"), _run(["c", "b"], "y")], 2)
    assert pool.select("doc_id", "searcher").row(0) == ("b", "x+y")


def test_many_queries_are_united_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order each run has its queries in, and where one lacks some, the pools are those of one part."""
    found = [("a", "b"), ("c", "a"), ("b",), ("d", "c", "a"), ("b", "d")]
    runs = [
        pl.concat(_run(list(found[(n + shift) % 5]), name).with_columns(query_id=pl.lit(f"q{n}")) for n in queries)
        for shift, name, queries in ((0, "x", (3, 1, 0, 4)), (1, "y", (2, 4, 1, 3)))
    ]
    whole = union(runs, 2)
    monkeypatch.setattr("relsearch.data.pool._QUERIES", 2)
    assert union(runs, 2).equals(whole)
    assert whole["query_id"].unique(maintain_order=True).to_list() == ["q3", "q1", "q0", "q4", "q2"]
    alone = union([run.filter(pl.col("query_id") == "q1") for run in runs], 2)
    assert whole.filter(pl.col("query_id") == "q1").equals(alone)


def test_one_run_is_kept_as_it_is() -> None:
    """With one searcher, pool order and scores are the searcher's own."""
    run = _run(["b", "a", "c"], "x")
    assert union([run], 2).equals(run.head(2))
    with pytest.raises(DataError, match="no run"):
        union([], 2)


def test_whole_pools_have_each_pair_of_the_wanted_queries_once() -> None:
    """A wanted pair that no search found is there too; a query of which nothing is wanted is not."""
    wanted = pl.DataFrame({"query_id": ["q", "q"], "doc_id": ["z", "b"]})
    pool = pl.concat([_run(["c", "b"], "x"), _run(["a"], "x").with_columns(query_id=pl.lit("other"))])
    assert whole_pools(pool, wanted).rows() == [("q", "b"), ("q", "c"), ("q", "z")]


@pytest.mark.parametrize("count", range(3, 12))
def test_few_queries_have_no_dev_split(count: int) -> None:
    """Cross-validation does its work; the other splits get a query each."""
    splits = list(_split([str(number) for number in range(count)]).values())
    assert set(splits) == {"train", "test"}


@pytest.mark.parametrize(("count", "dev"), [(31, 0), (33, 7)])
def test_from_twenty_queries_to_learn_from_some_are_dev(count: int, dev: int) -> None:
    """Those of the test do not count."""
    splits = list(_split([f"query {number}" for number in range(count)]).values())
    assert splits.count("dev") == dev


def test_large_shares_leave_a_query_to_learn_from() -> None:
    """Rounding up would take all."""
    queries = pl.DataFrame({"query_id": ["1", "2", "3"], "text": ["a", "b", "c"]})
    table = split(queries, labelled={"1", "2", "3"}, dev_share=0.04, test_share=0.95, seed=1)
    assert sorted(table["split"]) == ["test", "test", "train"]


@given(TEXTS, st.integers(0, 5))
def test_queries_of_equal_text_share_a_split(texts: list[str], seed: int) -> None:
    """Case, punctuation and spaces do not let a held-out query into training."""
    assigned = _split(texts, seed=seed)
    by_text: dict[str, set[str]] = {}
    for query_id, name in assigned.items():
        by_text.setdefault(normalised(texts[int(query_id)]), set()).add(name)
    assert all(len(names) == 1 for names in by_text.values())


@given(st.permutations([f"query {n}" for n in range(10)]))
def test_the_split_depends_on_texts_and_seed_not_on_order(texts: list[str]) -> None:
    """Shuffled input gives the same split, in the asked shares."""
    ordered = sorted(texts)
    base = {ordered[int(query_id)]: name for query_id, name in _split(ordered).items()}
    assert {texts[int(query_id)]: name for query_id, name in _split(texts).items()} == base
    assert [list(base.values()).count(name) for name in ("train", "dev", "test")] == [6, 0, 4]


def test_an_unlabelled_twin_of_a_held_out_query_is_held_out() -> None:
    """Judge labels of a test query's twin would leak it into training."""
    texts = [f"query {n}" for n in range(10)]
    assigned = _split([*texts, *(f"Query {n}?" for n in range(10))], labelled={str(n) for n in range(10)})
    for n in range(10):
        expected = assigned[str(n)] if assigned[str(n)] != "train" else "unlabelled"
        assert assigned[str(n + 10)] == expected
