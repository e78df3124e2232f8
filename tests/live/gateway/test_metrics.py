"""What the gateway tells from outside: its counters, and its warning."""

from __future__ import annotations

import logging

import httpx
import pytest

from relsearch.live.gateway.metrics import METRICS_PATH, Metrics
from relsearch.live.gateway.scoring.breaker import Breaker
from tests.live.gateway.canned import HITS, canned, hits, http_answer
from tests.live.gateway.running import LastWordScorer, RaisingScorer, gateway

BODY = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 20_000}}}


def test_searches_and_documents_are_counted() -> None:
    """By what became of them; a document that comes again was in memory."""
    with canned({"/sea/_search": http_answer(hits())}) as engine, gateway(engine.url, LastWordScorer()) as url:
        for body in (BODY, BODY, BODY | {"sort": ["tag"]}):
            httpx.post(f"{url}/sea/_search", json=body)
        lines = httpx.get(url + METRICS_PATH).text.splitlines()
    assert 'relsearch_gateway_searches_total{outcome="reranked",reason=""} 2.0' in lines
    assert 'relsearch_gateway_searches_total{outcome="bypassed",reason="sort"} 1.0' in lines
    assert 'relsearch_gateway_search_seconds_count{outcome="reranked"} 2.0' in lines
    assert f'relsearch_gateway_documents_total{{bundle="default",how="read"}} {HITS}.0' in lines
    assert f'relsearch_gateway_documents_total{{bundle="default",how="held"}} {HITS}.0' in lines
    assert 'relsearch_gateway_breaker_open{bundle="default",kind="error"} 0.0' in lines


def test_an_open_breaker_is_shown() -> None:
    """With the kind of failure."""
    with (
        canned({"/sea/_search": http_answer(hits())}) as engine,
        gateway(engine.url, RaisingScorer(), breaker=Breaker(failures=1)) as url,
    ):
        marks = [httpx.post(f"{url}/sea/_search", json=BODY).headers["X-Relsearch"] for _ in range(2)]
        text = httpx.get(url + METRICS_PATH).text
    assert marks[0] == "bypassed; reason=error"
    assert 'relsearch_gateway_breaker_open{bundle="default",kind="error"} 1.0' in text
    assert 'relsearch_gateway_breaker_open{bundle="default",kind="stalled"} 0.0' in text


def test_the_counters_need_the_key() -> None:
    """As everything else does where there is one."""
    with gateway("http://127.0.0.1:9", LastWordScorer(), key="k") as url:
        assert httpx.get(url + METRICS_PATH).status_code == 401
        assert httpx.get(url + METRICS_PATH, headers={"X-Relsearch-Key": "k"}).status_code == 200


def test_partly_read_searches_are_told_apart() -> None:
    """By the header; many searches in one answer count each."""
    metrics = Metrics({})
    metrics.count("reranked; read=3/9", 0.1)
    metrics.count("bypassed; reason=deadline; searches=2, reranked; searches=4", 0.1)
    text = metrics.exposition().decode()
    assert 'searches_total{outcome="partly",reason=""} 1.0' in text
    assert 'searches_total{outcome="reranked",reason=""} 4.0' in text
    assert 'searches_total{outcome="bypassed",reason="deadline"} 2.0' in text


def test_a_gateway_that_does_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Once most of the last searches were bypassed, with the reasons; not again for a while."""
    now = [1000.0]
    metrics = Metrics({}, clock=lambda: now[0])
    caplog.set_level(logging.WARNING)
    for _ in range(24):
        metrics.count("reranked; read=9/9", 0.1)
    for _ in range(40):
        metrics.count("bypassed; reason=no_hits", 0.1)
    for _ in range(25):
        metrics.count("bypassed; reason=deadline", 0.1)
    assert caplog.messages == []
    for _ in range(30):
        metrics.count("bypassed; reason=deadline", 0.1)
    (message,) = caplog.messages
    assert "26 of the last 50 searches kept the engine's order (deadline 26)" in message
    now[0] += 601
    metrics.count("bypassed; reason=deadline", 0.1)
    assert len(caplog.messages) == 2
