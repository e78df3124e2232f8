"""Documents drawn from a live index by a seed, within one point in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relsearch.core.types import Document
from relsearch.index.engine.hits import hit_documents, no_text_error
from relsearch.index.engine.http import Server
from relsearch.index.engine.point_in_time import point_in_time

_PAGE = 500


def sample(
    server: Server, index: str, *, size: int, seed: int, names: Mapping[str, str] | None = None
) -> Iterator[Document]:
    """Yield up to `size` documents that have text, the same for the same seed while the index does not change.

    The engine orders all documents by a random score of their sequence number; `names` gives the fields' paths. Raise
    ConfigError where the hits carry no `_source`.
    """
    body = _first_page(seed)
    seen: set[str] = set()
    with point_in_time(server, index) as point:
        while len(seen) < size:
            answer = server.ask("POST", "/_search", {**body, "pit": point})
            hits = answer["hits"]["hits"]
            for document in hit_documents(hits, names):
                if document.doc_id not in seen and len(seen) < size:
                    seen.add(document.doc_id)
                    yield document
            if hits and not seen and not any("_source" in hit for hit in hits):
                raise no_text_error(hits, names, f"name the fields of index {index!r}, --field text=PATH")
            if len(hits) < _PAGE:
                return
            # A sequence number is one shard's own, and another shard's document may tie with the page's last.
            score, number, *rest = hits[-1]["sort"]
            body["search_after"] = [score, number - 1, *rest]


def _first_page(seed: int) -> dict[str, Any]:
    order = {"random_score": {"seed": seed, "field": "_seq_no"}, "boost_mode": "replace"}
    return {
        "size": _PAGE,
        "query": {"function_score": {"query": {"match_all": {}}, **order}},
        "sort": [{"_score": "desc"}, {"_seq_no": "asc"}],
        "track_total_hits": False,
    }
