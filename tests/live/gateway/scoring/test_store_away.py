"""A store of vectors that is away, or a query that cannot be read: no search fails for it."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.live.gateway.canned import HITS, canned, hits, http_answer
from tests.live.gateway.running import gateway
from tests.rerank.fake_scorer import AwayStoreScorer

BODY = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 20_000}}}


class _UnreadableQuery(AwayStoreScorer):
    def read_query(self, query: str) -> None:
        """Raise."""
        raise ValueError("what is this")


@pytest.mark.parametrize(
    ("scorer", "one", "many"),
    [
        (AwayStoreScorer, f"reranked; read={HITS}/{HITS}", "reranked; searches=1"),
        (_UnreadableQuery, "bypassed; reason=error", "bypassed; reason=error; searches=1"),
    ],
)
def test_what_fails_before_reading_costs_no_search(scorer: type[AwayStoreScorer], one: str, many: str) -> None:
    """Documents are read where none can be looked up; else the engine's order comes, marked; alone or among others."""
    answers = b'{"took":1,"responses":[' + hits() + b"]}"
    lines = json.dumps({"index": "sea"}) + "\n" + json.dumps(BODY) + "\n"
    with (
        canned({"/sea/_search": http_answer(hits()), "/_msearch": http_answer(answers)}) as engine,
        gateway(engine.url, scorer()) as url,
    ):
        response = httpx.post(f"{url}/sea/_search", json=BODY)
        headers = {"Content-Type": "application/x-ndjson"}
        together = httpx.post(f"{url}/_msearch", content=lines, headers=headers)
    assert (response.status_code, together.status_code) == (200, 200)
    assert [response.headers["X-Relsearch"], together.headers["X-Relsearch"]] == [one, many]
    assert len(response.json()["hits"]["hits"]) == len(together.json()["responses"][0]["hits"]["hits"]) == 10
