"""What a gateway has read and keeps."""

from __future__ import annotations

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
