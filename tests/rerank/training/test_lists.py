"""Training lists."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import DataError
from relsearch.rerank.training.lists import build_lists


def examples_of(gains: dict[str, list[float]]) -> pl.DataFrame:
    """Examples of weight 1 with these gains."""
    rows = [(query, f"{query}-{number}", gain, 1.0) for query, row in gains.items() for number, gain in enumerate(row)]
    return pl.DataFrame(rows, schema=["query_id", "doc_id", "gain", "weight"], orient="row")


def test_lists_are_balanced_over_gains() -> None:
    """A query with few relevant documents shows as many of them as of the others."""
    (first, *_) = build_lists(examples_of({"q": [0.0] * 50 + [1.0] * 4 + [1 / 3] * 10}), size=12, epochs=1, seed=1)
    assert Counter(example.gain for example in first.examples) == {0.0: 4, 1 / 3: 4, 1.0: 4}


def test_same_seed_same_lists() -> None:
    """The seed alone decides, not the order of the rows."""
    examples = examples_of({"a": [0.0, 1.0, 0.5] * 9, "b": [0.0, 1.0] * 7})
    lists = build_lists(examples, size=4, epochs=2, seed=3)
    assert lists == build_lists(examples.reverse(), size=4, epochs=2, seed=3)
    assert lists != build_lists(examples, size=4, epochs=2, seed=4)


def test_queries_take_turns() -> None:
    """Every query comes once before any comes again."""
    lists = build_lists(examples_of({name: [0.0, 1.0] * 10 for name in "abc"}), size=5, epochs=1, seed=1)
    assert {part.query_id for part in lists[:3]} == set("abc")
    assert {part.query_id for part in lists[3:6]} == set("abc")


def test_a_query_of_one_gain_is_left_out() -> None:
    """Documents that are all alike teach no order."""
    lists = build_lists(examples_of({"flat": [1.0, 1.0], "good": [0.0, 1.0]}), size=2, epochs=1, seed=1)
    assert {part.query_id for part in lists} == {"good"}


def test_no_usable_query_is_an_error() -> None:
    """Training on nothing is refused with what to do."""
    with pytest.raises(DataError, match="label more"):
        build_lists(examples_of({"flat": [1.0, 1.0]}), size=2, epochs=1, seed=1)


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.lists(st.sampled_from([0.0, 0.2, 1 / 3, 2 / 3, 1.0]), min_size=2, max_size=30),
        min_size=1,
    ).filter(lambda gains: any(len(set(row)) > 1 for row in gains.values())),
    st.integers(2, 9),
)
def test_a_list_holds_distinct_documents_of_its_query(gains: dict[str, list[float]], size: int) -> None:
    """No list repeats a document, mixes queries, exceeds its size, or is smaller than it could be."""
    for part in build_lists(examples_of(gains), size=size, epochs=2, seed=0):
        doc_ids = [example.doc_id for example in part.examples]
        assert len(set(doc_ids)) == len(doc_ids) == min(size, len(gains[part.query_id]))
        assert all(doc_id.startswith(part.query_id) for doc_id in doc_ids)


def test_every_document_of_a_common_gain_is_used_before_any_again() -> None:
    """A stratum is gone through before it starts over."""
    lists = build_lists(examples_of({"q": [0.0] * 12 + [1.0] * 12}), size=8, epochs=1, seed=5)
    assert len({example.doc_id for part in lists for example in part.examples}) == 24
