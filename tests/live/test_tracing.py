"""OpenTelemetry spans of gateway and service, as an SDK gets them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.live.gateway.canned import canned, hits, http_answer
from tests.live.gateway.running import LastWordScorer, gateway
from tests.live.service.harness import serving
from tests.rerank.fake_scorer import OverlapScorer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BODY = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": 5000}}}


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """What was traced in this process; a process can have one provider only."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


def _searched(flags: str) -> tuple[httpx.Response, str]:
    """The answer to a search in a trace, and the traceparent that the engine got."""
    with canned({"/sea/_search": http_answer(hits())}) as engine, gateway(engine.url, LastWordScorer()) as url:
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
        response = httpx.post(f"{url}/sea/_search", json=BODY, headers=headers)
        lines = engine.requests[-1][0].splitlines()
    (sent,) = [line.partition(": ")[2] for line in lines if line.lower().startswith("traceparent")]
    return response, sent


def _by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_search_is_a_span_of_its_clients_trace(exporter: InMemorySpanExporter) -> None:
    """With children for the engine, reading and scoring; the engine is told of its own span."""
    exporter.clear()
    response, sent = _searched("01")
    spans = _by_name(exporter)
    assert set(spans) == {f"relsearch {part}" for part in ("search", "engine", "reading", "scoring")}
    root = spans.pop("relsearch search")
    assert root.parent is not None
    assert (f"{root.context.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, SPAN)
    assert all(span.parent == root.context for span in spans.values())
    assert sent == f"00-{TRACE}-{spans['relsearch engine'].context.span_id:016x}-01"
    assert response.headers["X-Relsearch"] == "reranked; read=12/12"
    attributes = dict(root.attributes or {})
    assert (attributes["relsearch.reranked"], attributes["relsearch.read"], attributes["relsearch.window"]) == (
        True,
        12,
        12,
    )
    assert "tides" not in str([dict(span.attributes or {}) for span in (root, *spans.values())])


def test_a_trace_that_is_not_sampled_goes_on_as_it_came(exporter: InMemorySpanExporter) -> None:
    """The engine gets the client's own header, and nothing is recorded."""
    exporter.clear()
    _, sent = _searched("00")
    assert sent == f"00-{TRACE}-{SPAN}-00"
    assert not exporter.get_finished_spans()


@pytest.mark.anyio
async def test_the_service_traces_a_request(exporter: InMemorySpanExporter) -> None:
    """One span with children for reading and scoring, within FastAPI's own where that makes some."""
    exporter.clear()
    async with serving(OverlapScorer()) as client:
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        await client.post("/rerank", json={"query": "a", "texts": ["a", "b"]}, headers=headers)
    spans = _by_name(exporter)
    root = spans["relsearch rerank"]
    assert f"{root.context.trace_id:032x}" == TRACE
    assert [spans[f"relsearch {part}"].parent for part in ("reading", "scoring")] == [root.context] * 2
    assert dict(root.attributes or {})["relsearch.read"] == 2
