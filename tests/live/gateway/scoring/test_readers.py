"""What a gateway has read and keeps."""

from __future__ import annotations

import tracemalloc

from relsearch.live.gateway.scoring.readers import PairReader
from tests.rerank.fake_scorer import OverlapScorer


def test_pairs_that_were_read_may_be_read_again() -> None:
    """Two searches that read the same pairs at once, or a hit that comes twice, keep one score each."""
    reader, query = PairReader(OverlapScorer()), "steep green tea"
    reader.read(query, ["green tea", "tides"])
    reader.read(query, ["tides", "green tea", "green tea", "the moon"])
    texts = ["the moon", "tides", "green tea"]
    assert reader.holds(query, texts) == [True] * 3
    assert reader.scores(query, texts) == OverlapScorer().score(query, texts)


def test_a_long_query_is_not_copied_for_each_text() -> None:
    """A window of thousands of hits would take its length as often."""
    reader, texts = PairReader(OverlapScorer()), [f"tides {number}" for number in range(1_000)]
    tracemalloc.start()
    assert not any(reader.holds("tides " * 5_000, texts))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
