"""Elasticsearch ranks as Lucene does at equal analysis, k1 and b."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.core.errors import SearchEngineError
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Candidate
from relsearch.data.collection import load_collection
from relsearch.index.java import find_java
from relsearch.index.registry import build_searcher

DEPTH = 100


@pytest.mark.live
@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.2, 0.75)])
def test_elasticsearch_equals_lucene_on_cranfield(
    collections: Path, elasticsearch_url: str, tmp_path: Path, k1: float, b: float
) -> None:
    """The top 100 of all 225 queries: scores are k1 + 1 times Lucene's, documents the same but at equal scores."""
    try:
        find_java()
    except SearchEngineError as exc:
        pytest.skip(str(exc))
    collection = load_collection(str(collections / "cranfield"))
    index = IndexConfig(url=elasticsearch_url, name="cranfield", k1=k1, b=b)
    hits: dict[str, dict[tuple[str, int], Candidate]] = {}
    for name in ("lucene", "elasticsearch"):
        searcher = build_searcher(name, collection.documents(), tmp_path / name, index=index, encoder=EncoderConfig())
        found = searcher.search(collection.queries(), DEPTH)
        hits[name] = {(hit.query_id, hit.rank): hit for hit in found}
    lucene, elastic = hits["lucene"], hits["elasticsearch"]
    assert lucene.keys() == elastic.keys()
    assert len(lucene) > 20_000
    for place, hit in lucene.items():
        assert elastic[place].score == pytest.approx(hit.score * (k1 + 1), rel=1e-5)
    same = sum(elastic[place].doc_id == hit.doc_id for place, hit in lucene.items())
    assert same / len(lucene) > 0.999
