"""Pools of queries: pairs grouped by query, none lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.query_pool import QueryPool, pairs_of, pools_of, rows_by_query
from relsearch.core.types import Pair

PAIRS = st.lists(
    st.builds(Pair, st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(["sea", "tea"]), st.text(max_size=3))
)


@given(PAIRS)
def test_grouping_keeps_every_pair_and_its_order_within_the_query(pairs: list[Pair]) -> None:
    """Each pool is one query id with one text; rows_by_query says where its pairs stood."""
    pools = pools_of(pairs)
    assert len({(pool.query_id, pool.query) for pool in pools}) == len(pools)
    assert pairs_of(pools) == [pairs[row] for rows in rows_by_query(pairs) for row in rows]
    assert sorted(row for rows in rows_by_query(pairs) for row in rows) == list(range(len(pairs)))
    assert all(rows == sorted(rows) for rows in rows_by_query(pairs))


def test_queries_come_in_the_order_of_their_first_pair() -> None:
    """Interleaved queries are put together."""
    pairs = [Pair(query, doc, query, doc) for query, doc in ("b1", "a1", "b2")]
    assert pools_of(pairs) == [QueryPool("b", "b", ("1", "2"), ("1", "2")), QueryPool("a", "a", ("1",), ("1",))]


def test_a_part_has_the_rows_asked_for() -> None:
    """Rows come in the order asked, and a part of none is an empty pool."""
    pool = QueryPool("q", "sea", ("a", "b", "c"), ("1", "2", "3"))
    assert pool.part([2, 0]) == QueryPool("q", "sea", ("c", "a"), ("3", "1"))
    assert len(pool.part(())) == 0
