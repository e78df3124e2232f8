"""Reranking of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core import tables
from relsearch.core.errors import ConfigError, DataError, ModelError
from relsearch.core.files.journal import unfinished
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reorder import rerank_on, rerank_run
from relsearch.rerank.reranker import Reranker
from tests.workers import Backwards


class LengthScorer:
    """Prefers long texts; equal lengths tie."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """A probability that grows with the length."""
        return [(len(text) + 1) / (len(text) + 2) for text in texts]


def run_of(*doc_ids: str, query_id: str = "q") -> pl.DataFrame:
    """A first-stage run of one query, in this order."""
    rows = [(query_id, doc_id, rank, 100.0 - rank, "embedded") for rank, doc_id in enumerate(doc_ids, start=1)]
    return pl.DataFrame(rows, schema=dict(tables.CANDIDATES), orient="row")


def test_head_follows_the_scorer() -> None:
    """The first `depth` documents stand in the scorer's order."""
    run = rerank_run(run_of("a", "b"), {"q": "x"}, {"a": "s", "b": "longer"}, Reranker(LengthScorer()), depth=2)
    assert run["doc_id"].to_list() == ["b", "a"]
    assert run["rank"].to_list() == [1, 2]


class NaNScorer:
    """Gives no numbers."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One NaN a text."""
        return [math.nan] * len(texts)


def test_a_score_that_is_no_number_stops_the_run() -> None:
    """It is never written."""
    with pytest.raises(ModelError, match="or one not finite"):
        rerank_run(run_of("a", "b"), {"q": "x"}, {"a": "s", "b": "longer"}, Reranker(NaNScorer()), depth=2)


def test_the_runs_own_scores_can_be_mixed_in() -> None:
    """With enough weight its order comes back."""
    texts = {"a": "s", "b": "longer"}
    assert (
        rerank_run(
            run_of("a", "b"), {"q": "x"}, texts, Reranker(LengthScorer(), interpolation=Interpolation(9.0)), depth=2
        )["doc_id"][0]
        == "a"
    )


def test_tail_keeps_its_order_below_the_head() -> None:
    """What lies below the depth follows in first-stage order, and needs no text."""
    run = rerank_run(
        run_of("a", "b", "d", "c"), {"q": "x"}, {"a": "s", "b": "longer"}, Reranker(LengthScorer()), depth=2
    )
    assert run["doc_id"].to_list() == ["b", "a", "d", "c"]
    assert run["score"].is_sorted(descending=True)
    assert run["score"].n_unique() == 4


def test_ties_keep_first_stage_rank() -> None:
    """Documents with equal scores keep the first stage's order."""
    texts = dict.fromkeys("abc", "same")
    assert rerank_run(run_of("c", "a", "b"), {"q": "x"}, texts, Reranker(LengthScorer()), depth=3)[
        "doc_id"
    ].to_list() == [
        "c",
        "a",
        "b",
    ]


def test_equal_ranks_fall_back_to_doc_id() -> None:
    """Where a run gives one rank twice, doc_id decides."""
    run = run_of("b", "a").with_columns(rank=pl.lit(1, dtype=pl.Int32))
    texts = dict.fromkeys("ab", "same")
    assert rerank_run(run, {"q": "x"}, texts, Reranker(LengthScorer()), depth=2)["doc_id"].to_list() == ["a", "b"]


def test_missing_document_text_is_named() -> None:
    """A candidate without text stops the run, naming query and document."""
    with pytest.raises(DataError, match=r"query 'q': document 'b' has no text"):
        rerank_run(run_of("a", "b"), {"q": "x"}, {"a": "s"}, Reranker(LengthScorer()), depth=2)


def test_missing_query_text_is_named() -> None:
    """A query without text stops the run."""
    with pytest.raises(DataError, match="query 'q' has no text"):
        rerank_run(run_of("a"), {}, {"a": "s"}, Reranker(LengthScorer()), depth=1)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.text(max_size=5), min_size=1), st.integers(1, 30))
def test_reranking_is_a_permutation(texts: dict[str, str], depth: int) -> None:
    """No document is lost, doubled or invented, head and tail do not mix, scores never rise."""
    run = rerank_run(run_of(*texts), {"q": "x"}, texts, Reranker(LengthScorer()), depth=depth)
    assert sorted(run["doc_id"].to_list()) == sorted(texts)
    assert set(run["doc_id"].head(depth)) == set(list(texts)[:depth])
    assert run["doc_id"].to_list()[depth:] == list(texts)[depth:]
    assert run["score"].is_sorted(descending=True)
    assert run["score"].is_between(0, 1, closed="none").all()


def test_queries_do_not_mix() -> None:
    """Each query is reranked on its own."""
    both = pl.concat([run_of("a", "b", query_id="q1"), run_of("b", "a", query_id="q2")])
    run = rerank_run(both, {"q1": "x", "q2": "y"}, {"a": "s", "b": "longer"}, Reranker(LengthScorer()), depth=2)
    assert run.group_by("query_id", maintain_order=True).agg("doc_id").rows() == [
        ("q1", ["b", "a"]),
        ("q2", ["b", "a"]),
    ]


def test_an_interrupted_rerank_scores_only_what_it_lacks(tmp_path: Path) -> None:
    """Each query's order is kept as it is found; another reranker, text or first stage finds nothing kept."""
    run = pl.concat([run_of("a", "b", "c", query_id=f"q{number}") for number in range(5)])
    queries, texts = {f"q{number}": f"x{number}" for number in range(5)}, {"a": "s", "b": "longer", "c": "mid"}
    scorer = _Failing(after=3)
    with pytest.raises(RuntimeError, match="killed"), unfinished(tmp_path / "run") as journal:
        rerank_run(run, queries, texts, Reranker(scorer), depth=2, journal=journal, about="one")
    assert (tmp_path / "run.unfinished").is_dir()
    for about, asked in (("one", 2), ("one", 0), ("two", 5)):
        again = _Failing(after=99)
        with suppress(RuntimeError), unfinished(tmp_path / "run") as journal:
            found = rerank_run(run, queries, texts, Reranker(again), depth=2, journal=journal, about=about)
            assert found.equals(rerank_run(run, queries, texts, Reranker(LengthScorer()), depth=2))
            raise RuntimeError("keep the journal")
        assert again.asked == asked
    with unfinished(tmp_path / "run"):
        pass
    assert not (tmp_path / "run.unfinished").exists()


def test_orders_of_workers_are_those_of_one_process(tmp_path: Path) -> None:
    """Workers get the queries alone that the journal lacks, equal ones once; then nothing is scored in this process."""
    run = pl.concat([run_of("a", "b", "c", query_id=f"q{number}") for number in range(5)])
    queries, texts = {f"q{number}": f"x{number % 4}" for number in range(5)}, {"a": "s", "b": "longer", "c": "mid"}
    worker, here = _Failing(after=99), _Failing(after=0)
    plain = rerank_run(run, queries, texts, Reranker(LengthScorer()), depth=2)
    with unfinished(tmp_path / "run") as journal:
        rerank_run(run.head(3), queries, texts, Reranker(LengthScorer()), depth=2, journal=journal, about="one")
        rerank_on(
            Backwards(), lambda: (Reranker(worker), "one"), run, queries, texts, depth=2, journal=journal, about="one"
        )
        assert rerank_run(run, queries, texts, Reranker(here), depth=2, journal=journal, about="one").equals(plain)
    assert worker.asked == 3


def test_workers_with_another_reranker_are_refused(tmp_path: Path) -> None:
    """Its orders would stand in the journal under the keys of the reranker that was asked for."""
    run, texts = run_of("a"), {"a": "s"}
    other = Reranker(LengthScorer()), "two"
    with unfinished(tmp_path / "run") as journal:
        with pytest.raises(ConfigError, match="is another one than that of the process that asks"):
            rerank_on(Backwards(), lambda: other, run, {"q": "x"}, texts, depth=1, journal=journal, about="one")
        assert not list(journal.rows())


class _Failing(LengthScorer):
    def __init__(self, *, after: int) -> None:
        self.asked = 0
        self._after = after

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Score until so many queries were asked."""
        if self.asked == self._after:
            raise RuntimeError("killed")
        self.asked += 1
        return super().score(query, texts)
