"""The orders in which pairs could be graded, and what is pooled of their worth."""

from __future__ import annotations

import numpy as np

from benchmarks.rerankers.label_value.adapter import Candidates
from benchmarks.rerankers.next_labels.figures import NOTHING, pooled_rows
from benchmarks.rerankers.next_labels.picks import RANDOM, RANKED, UNSURE, Pool, orders
from benchmarks.rerankers.next_labels.worth import STUDENTS, Worth
from relsearch.core.tables import candidates_table
from relsearch.core.types import Candidate

_RNG = np.random.default_rng(5)


def _pool(query: str, ready: list[float]) -> Pool:
    """A pool of which the reranker has these scores, in the first stage's order."""
    size = len(ready)
    run = candidates_table(Candidate(query, f"d{n}", -float(n), n + 1, "bm25") for n in range(size))
    vectors = _RNG.normal(size=(size + 1, 3)).astype(np.float32)
    return Pool(run, Candidates(np.array([ready]).T, vectors[1:], vectors[0]))


POOLS = {"q1": _pool("q1", [-1.0, 3.0, 0.84, 0.0]), "q2": _pool("q2", [0.8, -2.0, 2.0, -0.5])}


def test_every_order_has_every_pair_once() -> None:
    """A budget is the head of an order, so none may repeat or lose a pair."""
    pairs = {(query, place) for query in POOLS for place in range(4)}
    for name, order in orders(POOLS, np.random.default_rng(0)).items():
        found = order()
        assert (len(found), set(found)) == (8, pairs), name


def test_blocks_take_the_first_documents_of_every_query() -> None:
    """Of each query three, as the name says; the next ones come when all queries had their turn."""
    made = orders(POOLS, np.random.default_rng(0))
    by_reranker = made["random queries, the reranker's first 3"]()
    first = by_reranker[0][0]
    assert [place for query, place in by_reranker if query == first] == POOLS[first].ready.tolist()
    assert [query for query, _ in by_reranker[:4]].count(first) == 3
    assert {place for _, place in made["random queries, BM25's first 3"]()[:6]} == {0, 1, 2}


def test_unsure_pairs_stand_at_the_threshold() -> None:
    """The judge's doubt is greatest at the score of its threshold; ranks of a run move it."""
    made = orders(POOLS, np.random.default_rng(0))
    assert set(made[UNSURE]()[:2]) == {("q1", 2), ("q2", 0)}
    assert made[RANKED]()[0] == ("q2", 0)


def test_expected_change_asks_where_the_head_is_in_doubt() -> None:
    """Of two pairs that are as unsure the higher ranked counts for more."""
    made = orders({"q": _pool("q", [0.64, 1.04, -3.0])}, np.random.default_rng(0))
    assert [place for _, place in made["expected change of NDCG"]()] == [1, 0, 2]


def test_a_gain_on_every_query_is_significant() -> None:
    """Collections count alike, whatever their number of queries, and so do budgets."""

    def collection(queries: int, gain: float) -> dict[tuple[str, int], list[Worth]]:
        base = _RNG.uniform(size=queries)
        gains = {NOTHING: 0.0, (RANDOM, 50): 0.0, (RANDOM, 100): 0.0, (RANKED, 50): gain, (RANKED, 100): gain + 0.1}
        return {at: [Worth(dict.fromkeys(STUDENTS, (base + more).tolist()), 0.1, 5, 2)] for at, more in gains.items()}

    random, ranked = pooled_rows({"small": collection(10, 0.1), "large": collection(30, 0.3)})
    figures = ranked[STUDENTS[0]]
    assert np.allclose(figures["gains"], [0.2, 0.3])
    assert np.allclose([figures["gain"], figures["against_random"]], 0.25)
    assert figures["p_random"] < 0.001
    assert random[STUDENTS[0]]["gain"] == 0.0
