"""BM25 of given pairs equals what the embedded searcher gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.judges.agreement.pair_scores import pair_scores
from relsearch.core.errors import DataError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import IndexConfig
from relsearch.core.types import Document, Query
from relsearch.index.embedded import build


def test_pairs_score_as_in_a_search(tmp_path: Path, documents: list[Document], queries: list[Query]) -> None:
    """What a search finds has the same score as a pair; what it does not find scores 0; the order is the pairs'."""
    searcher = build(documents, tmp_path, index=IndexConfig(), template=DEFAULT_TEMPLATE)
    found = {(each.query_id, each.doc_id): each.score for each in searcher.search(queries, 10)}
    pairs = [(query.query_id, document.doc_id) for document in documents for query in queries]
    assert pair_scores(queries, documents, pairs) == pytest.approx([found.get(pair, 0.0) for pair in pairs])
    assert found


def test_a_query_of_unknown_words_scores_zero(documents: list[Document]) -> None:
    """No word in common is a score, not an error."""
    assert pair_scores([Query("q", "кошка")], documents, [("q", "cat-1")]).tolist() == [0.0]


@pytest.mark.parametrize(("pair", "message"), [(("q9", "cat-1"), "query 'q9'"), (("q1", "dog"), "document 'dog'")])
def test_an_unknown_id_is_named(
    documents: list[Document], queries: list[Query], pair: tuple[str, str], message: str
) -> None:
    """Labels of another collection are refused."""
    with pytest.raises(DataError, match=message):
        pair_scores(queries, documents, [("q1", "cat-1"), pair])
