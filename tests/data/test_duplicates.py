"""Near-duplicates: what is equal is always found, what is alike is, nothing depends on order."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.data.duplicates import first_of_each, jaccard, repeats, set_apart, shingles
from relsearch.data.pool import normalised

TEXTS = st.lists(st.text(alphabet="abc é?\ud800", max_size=12), max_size=12)


@given(TEXTS, TEXTS, st.sampled_from([0.5, 0.8, 1.0]))
def test_what_is_found_is_at_least_so_alike(texts: list[str], others: list[str], threshold: float) -> None:
    """Every equal text is found, and nothing whose exact similarity is under the threshold."""
    named = {str(number): text for number, text in enumerate(texts)}
    found = repeats(named, others, threshold=threshold)
    plain = {normalised(text) for text in others}
    assert {key for key, text in named.items() if normalised(text) in plain} <= found
    for key in found:
        mine = shingles(normalised(named[key]))
        assert max(jaccard(mine, shingles(other)) for other in plain) >= threshold


@given(TEXTS)
def test_the_first_of_equal_texts_is_kept(texts: list[str]) -> None:
    """Kept texts differ from each other, and every text has an equal or like one among them."""
    named = {str(number): text for number, text in enumerate(texts)}
    kept = first_of_each(named, threshold=1.0)
    assert len({normalised(named[key]) for key in kept}) == len(kept)
    assert repeats(named, [named[key] for key in kept], threshold=1.0) == set(named)


@pytest.mark.parametrize(
    ("text", "found"),
    [("how do tides rise and fall", True), ("how do the tides rise and fall?", True), ("why do cats purr", False)],
)
def test_a_small_edit_is_a_near_duplicate(text: str, found: bool) -> None:
    """A word more does not hide a repeated question; another question is not taken for it."""
    assert repeats({"q": text}, ["how do tides rise and fall"], threshold=0.7) == ({"q"} if found else set())


def test_no_query_like_a_held_out_one_is_learnt_from() -> None:
    """Training and unlabelled queries that nearly repeat a dev or test query are set apart; the others stay."""
    rows = [
        ("t", "how to sort a list", "test"),
        ("d", "how to reverse a string", "dev"),
        ("near-test", "How to sort a lists?", "train"),
        ("near-dev", "how to reverse strings", "unlabelled"),
        ("far", "how to open a file", "train"),
        ("twin", "how to open files", "unlabelled"),
    ]
    queries = pl.DataFrame(rows, schema=["query_id", "text", "split"], orient="row")
    found = dict(set_apart(queries, threshold=0.6).select("query_id", "split").iter_rows())
    apart = {"near-test": "contaminated", "near-dev": "contaminated"}
    assert found == {query_id: split for query_id, _, split in rows} | apart
    assert set_apart(queries, threshold=1.0).equals(queries)
