"""Faults: a reranker that fails costs no search, an engine that fails gives one clear error."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from relsearch.core.protocols import Scorer
from relsearch.live.gateway.answer.ranking import Ranking
from relsearch.live.gateway.app import Gateway, runner
from relsearch.live.gateway.config import GatewayConfig
from relsearch.live.gateway.proxy import Upstream
from relsearch.live.gateway.scoring.breaker import Breaker
from tests.index.guarded import KEY, guarded
from tests.index.secured import certificates
from tests.live.gateway.canned import HITS, canned, hits, http_answer
from tests.live.gateway.running import HangingScorer, LastWordScorer, RaisingScorer, gateway, served
from tests.rerank.fake_scorer import OverlapScorer

PATIENT_MS = 20_000  # a budget that even a busy machine keeps
BODY = {"query": {"match": {"text": "tides"}}, "ext": {"relsearch": {"budget_ms": PATIENT_MS}}}
SEARCH = {"/sea/_search": http_answer(hits())}


class ShortScorer:
    """Forgets a text."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score too few."""
        return [0.5] * (len(texts) - 1)


class NanScorer:
    """Scores what cannot be sorted."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return no number."""
        return [float("nan")] * len(texts)


def _ids(response: httpx.Response) -> list[int]:
    return [int(hit["_id"]) for hit in response.json()["hits"]["hits"]]


@pytest.mark.parametrize(
    ("scorer", "reason", "budget_ms"),
    [
        (RaisingScorer(), "error", PATIENT_MS),
        (NanScorer(), "error", PATIENT_MS),
        (ShortScorer(), "error", PATIENT_MS),
        (HangingScorer(), "deadline", 1000),
    ],
)
def test_a_broken_reranker_costs_no_search(scorer: Scorer, reason: str, budget_ms: int) -> None:
    """The engine's own page comes within the deadline, marked with the reason."""
    body = _asking(budget_ms) | {"from": 2, "size": 3, "_source": False}
    with canned(SEARCH) as engine, gateway(engine.url, scorer) as url:
        started = time.monotonic()
        response = httpx.post(f"{url}/sea/_search", json=body)
        elapsed_s = time.monotonic() - started
    assert response.status_code == 200
    assert _ids(response) == [2, 3, 4]
    assert "_source" not in response.text
    assert response.headers["X-Relsearch"] == f"bypassed; reason={reason}"
    assert elapsed_s < 5


def test_a_hanging_reranker_is_soon_left_alone() -> None:
    """Once all of its threads hang no search waits any more; when it answers again it is used again."""
    scorer = HangingScorer()
    with canned(SEARCH) as engine, gateway(engine.url, scorer, threads=1, stalled_s=2.5) as url:
        marks = [_mark(url, budget_ms=1500), _mark(url, budget_ms=1500)]
        started = time.monotonic()
        marks.append(_mark(url))
        elapsed_s = time.monotonic() - started
        scorer.go.set()
        _wait(lambda: _mark(url) == f"reranked; read={HITS}/{HITS}")
    assert marks == ["bypassed; reason=deadline", "bypassed; reason=stalled", "bypassed; reason=stalled"]
    assert elapsed_s < 5


class MendedScorer:
    """A reranker that is broken until it is mended."""

    def __init__(self) -> None:
        self.broken = True
        self.calls = 0

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Raise while broken."""
        self.calls += 1
        if self.broken:
            raise RuntimeError("no model")
        return [0.5] * len(texts)


def test_a_broken_reranker_is_left_alone_and_probed() -> None:
    """While its breaker is open only one probe, of the gateway's own text, goes to it; its success closes it."""
    scorer, now = MendedScorer(), [0.0]
    # One thread gives a search up after three texts: its third test opens the breaker, and no other call is under way.
    breaker = Breaker(failures=3, cool_s=10, clock=lambda: now[0])
    with canned(SEARCH) as engine, gateway(engine.url, scorer, threads=1, breaker=breaker) as url:
        assert _mark(url) == "bypassed; reason=error"
        _wait(lambda: breaker.state == "open")
        calls = scorer.calls
        assert [_mark(url) for _ in range(3)] == ["bypassed; reason=breaker_open"] * 3
        assert scorer.calls == calls
        scorer.broken, now[0] = False, 11.0
        assert _mark(url) == "bypassed; reason=breaker_open"
        _wait(lambda: breaker.state == "closed")
        assert scorer.calls == calls + 1
        assert _mark(url) == f"reranked; read={HITS}/{HITS}"


class PoisonedScorer(LastWordScorer):
    """A reranker that cannot read one text."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Raise at document 3."""
        if any(text.endswith("tides 3") for text in texts):
            raise ValueError("what is this")
        return super().score(query, [text if text[-1].isdigit() else "0" for text in texts])


def test_a_document_that_cannot_be_read_keeps_its_place() -> None:
    """It spoils neither its search nor, through the breaker, those of others."""
    with canned(SEARCH) as engine, gateway(engine.url, PoisonedScorer(), breaker=Breaker(failures=1)) as url:
        for _ in range(3):
            response = httpx.post(f"{url}/sea/_search", json=BODY | {"size": HITS})
            assert response.headers["X-Relsearch"] == f"reranked; read={HITS - 1}/{HITS}"
            assert _ids(response) == [11, 10, 9, 3, 8, 7, 6, 5, 4, 2, 1, 0]


def test_small_budgets_change_nothing_for_others() -> None:
    """Whatever budgets clients ask for, the next search is reranked."""
    scorer = HangingScorer()
    with canned(SEARCH) as engine, gateway(engine.url, scorer, breaker=Breaker(failures=1)) as url:
        assert all(_mark(url, budget_ms=1).startswith("bypassed; reason=") for _ in range(5))
        scorer.go.set()
        assert _mark(url) == f"reranked; read={HITS}/{HITS}"


def _wait(met: Callable[[], bool]) -> None:
    for _ in range(1000):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened in ten seconds")


def test_a_full_queue_bypasses_at_once() -> None:
    """Searches beyond the queue do not wait for their deadline."""
    scorer = HangingScorer()
    with canned(SEARCH) as engine, gateway(engine.url, scorer, queued=1) as url, ThreadPoolExecutor(1) as pool:
        first = pool.submit(_mark, url)
        _wait(lambda: scorer.calls > 0)
        started = time.monotonic()
        mark = _mark(url)
        elapsed_s = time.monotonic() - started
        scorer.go.set()
        assert first.result() == f"reranked; read={HITS}/{HITS}"
    assert mark == "bypassed; reason=overloaded"
    assert elapsed_s < 5


def _asking(budget_ms: int) -> dict[str, object]:
    return BODY | {"ext": {"relsearch": {"budget_ms": budget_ms}}}


def _mark(url: str, *, budget_ms: int = PATIENT_MS) -> str:
    return str(httpx.post(f"{url}/sea/_search", json=_asking(budget_ms)).headers["X-Relsearch"])


def test_a_multi_search_waits_for_one_deadline_only() -> None:
    """One budget bounds all of its searches."""
    answers = b'{"took":1,"responses":[' + b",".join([hits()] * 5) + b"]}"
    lines = (json.dumps({"index": "sea"}) + "\n" + json.dumps(_asking(1000)) + "\n") * 5
    with canned({"/_msearch": http_answer(answers)}) as engine, gateway(engine.url, HangingScorer()) as url:
        headers = {"Content-Type": "application/x-ndjson"}
        started = time.monotonic()
        response = httpx.post(f"{url}/_msearch", content=lines, headers=headers)
        elapsed_s = time.monotonic() - started
    assert "reranked" not in response.headers["X-Relsearch"]
    assert [len(each["hits"]["hits"]) for each in response.json()["responses"]] == [10] * 5
    assert elapsed_s < 5 * 1.0


@pytest.mark.parametrize("path", ["/sea/_search", "/_cat/health"])
def test_an_engine_that_is_away_is_one_clear_error(path: str) -> None:
    """502 in the engines' shape, naming the address."""
    with gateway("http://127.0.0.1:9", LastWordScorer()) as url:
        response = httpx.post(f"{url}{path}", json=BODY)
    assert response.status_code == response.json()["status"] == 502
    assert "http://127.0.0.1:9 gave no whole answer (no connection can be made)" in response.json()["error"]["reason"]


def test_a_silent_engine_is_given_up_if_so_configured() -> None:
    """504 after the time-out; other requests are not held up meanwhile."""
    with canned({"/quick": http_answer(b"{}")}) as engine, gateway(engine.url, LastWordScorer(), timeout_s=0.5) as url:
        assert httpx.post(f"{url}/silent/_search", json=BODY).status_code == 504
        assert httpx.get(f"{url}/quick").status_code == 200


@pytest.mark.parametrize("path", ["/sea/_search?routing=cut", "/small-cut"])
def test_a_truncated_answer_is_an_error(path: str) -> None:
    """A small one, or a search's, is read whole before anything is sent."""
    with canned({path: http_answer(hits(), length=99_999)}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}{path}", json=BODY)
    assert response.status_code == 502


def test_an_answer_that_is_no_json_is_the_engines_own() -> None:
    """The search is sent again as it came, and what the engine says to that is passed on."""
    with canned({"/sea/_search": http_answer(b"{oops")}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}/sea/_search", json=BODY)
        assert json.loads(engine.requests[-1][1]) == {"query": BODY["query"]}
    assert (response.status_code, response.content) == (200, b"{oops")
    assert response.headers["X-Relsearch"] == "bypassed; reason=unreadable"


@pytest.mark.parametrize(("status", "reason"), [(429, "engine_429"), (500, "engine_500"), (503, "engine_503")])
def test_a_widened_search_that_the_engine_cannot_bear_is_sent_as_it_came(status: int, reason: str) -> None:
    """The client gets what it would have got without the gateway; the same inside a multi-search."""
    with canned({}) as engine, gateway(engine.url, LastWordScorer()) as url:
        engine.answers["/sea/_search"] = http_answer(b"{}", status=f"{status} Busy")
        engine.then["/sea/_search"] = http_answer(b'{"hits":{"hits":[]},"own":1e400}')
        response = httpx.post(f"{url}/sea/_search", json=BODY)
        busy = b'{"error":{},"status":%d}' % status
        engine.answers["/_msearch"] = http_answer(b'{"responses":[' + busy + b"]}")
        engine.then["/_msearch"] = http_answer(b'{"responses":[{"hits":{"hits":[]},"own":1e400}]}')
        lines = json.dumps({"index": "sea"}) + "\n" + json.dumps(BODY) + "\n"
        many = httpx.post(f"{url}/_msearch", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert response.content == b'{"hits":{"hits":[]},"own":1e400}'
    assert response.headers["X-Relsearch"] == f"bypassed; reason={reason}"
    assert many.content == b'{"responses":[{"hits":{"hits":[]},"own":1e400}]}'
    assert many.headers["X-Relsearch"] == f"bypassed; reason={reason}; searches=1"


def test_a_widened_search_that_times_out_is_sent_as_it_came() -> None:
    """Whether the engine says so, or says nothing."""
    late = json.dumps({"timed_out": True, "hits": {"hits": []}}).encode()
    with canned({"/sea/_search": http_answer(late)}) as engine, gateway(engine.url, LastWordScorer()) as url:
        engine.then["/sea/_search"] = http_answer(hits())
        response = httpx.post(f"{url}/sea/_search", json=BODY)
    assert response.headers["X-Relsearch"] == "bypassed; reason=engine_timed_out"
    assert response.content == hits()


def test_a_byte_order_mark_is_no_part_of_a_body() -> None:
    """Before a search, or before one of many."""
    answers = {**SEARCH, "/_msearch": http_answer(b'{"took":1,"responses":[' + hits() + b"]}")}
    body, headers = json.dumps(BODY).encode("utf-8-sig"), {"Content-Type": "application/json"}
    with canned(answers) as engine, gateway(engine.url, LastWordScorer()) as url:
        one = httpx.post(f"{url}/sea/_search", content=body, headers=headers)
        many = httpx.post(f"{url}/_msearch", content=b'{"index":"sea"}\n' + body + b"\n", headers=headers)
    assert one.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
    assert many.headers["X-Relsearch"] == "reranked; searches=1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_search_may_come_in_any_encoding_of_json(encoding: str) -> None:
    """With a byte-order mark or without; half a character is for the engine to refuse."""
    body, headers = json.dumps(BODY).encode(encoding), {"Content-Type": "application/json"}
    with canned(SEARCH) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}/sea/_search", content=body, headers=headers)
        assert response.headers["X-Relsearch"] == f"reranked; read={HITS}/{HITS}"
        assert json.loads(engine.requests[-1][1])["query"] == BODY["query"]
        assert httpx.post(f"{url}/sea/_search", content=body[:-1], headers=headers).status_code == 200
        assert engine.requests[-1][1] == body[:-1]


def test_a_key_that_is_no_text_is_a_wrong_key() -> None:
    """Whatever its bytes are."""
    with gateway("http://127.0.0.1:9", LastWordScorer(), key="k") as url:
        assert httpx.get(url, headers={b"X-Relsearch-Key": b"\xff"}).status_code == 401


class _BrokenRanking(Ranking):
    def concerns(self, target: str, text: bytes) -> bool:
        """Raise."""
        raise KeyError("pr1vate")


def test_a_failure_of_the_gateway_is_one_clear_error(caplog: pytest.LogCaptureFixture) -> None:
    """500 in the engines' shape; the log has the type alone."""
    broken = Gateway(Upstream("http://127.0.0.1:9"), _BrokenRanking(GatewayConfig(), {}))
    with served(runner(broken)) as url:
        response = httpx.post(f"{url}/sea/_search", json=BODY)
    assert response.status_code == response.json()["status"] == 500
    assert response.json()["error"]["type"] == "relsearch_gateway_exception"
    assert "a request failed: KeyError" in caplog.messages
    assert "pr1vate" not in response.text + caplog.text


def test_a_template_that_would_fill_the_memory_is_refused() -> None:
    """It is rendered for each hit."""
    body = BODY | {"ext": {"relsearch": {"template": "{text}" * 1000}}}
    with canned(SEARCH) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}/sea/_search", json=body)
    assert response.status_code == 400
    assert "ext.relsearch: template" in response.json()["error"]["reason"]


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_a_body_nested_beyond_reason_is_no_failure_of_the_gateway(depth: int) -> None:
    """It is refused, or the engine is asked; never a 500."""
    query = '{"bool":{"must":[' * depth + '{"match":{"text":"tides"}}' + "]}}" * depth
    body = '{"ext":{"relsearch":true},"query":' + query + "}"
    with canned(SEARCH) as engine, gateway(engine.url, LastWordScorer()) as url:
        headers = {"Content-Type": "application/json"}
        assert httpx.post(f"{url}/sea/_search", content=body, headers=headers).status_code in (200, 400)


def test_a_large_truncated_answer_is_cut_as_well() -> None:
    """It is streamed, so the client's connection breaks where the engine's did."""
    answer = http_answer(b"x" * 2_000_000, length=3_000_000)
    with (
        canned({"/large-cut": answer}) as engine,
        gateway(engine.url, LastWordScorer()) as url,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.get(f"{url}/large-cut")


@pytest.mark.parametrize("body", [BODY, {}])
def test_a_search_on_a_connection_that_the_engine_closed_is_sent_again(body: dict[str, object]) -> None:
    """A search may be asked twice, so a stale connection loses none; whatever writes is not repeated."""
    with canned({**SEARCH, "/_bulk": http_answer(b"{}")}) as engine, gateway(engine.url, LastWordScorer()) as url:
        for path, status in (("/sea/_search", 200), ("/_bulk", 502)):
            engine.drops = 1
            assert httpx.post(f"{url}{path}", json=body).status_code == status


def test_redirects_are_passed_on() -> None:
    """Following one would carry credentials to another host."""
    away = http_answer(b"", status="302 Found", headers="Location: http://127.0.0.1:9/\r\n")
    with canned({"/moved": away}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.get(f"{url}/moved", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (302, "http://127.0.0.1:9/")


def test_a_request_cannot_name_another_host() -> None:
    """An absolute target is refused instead of being joined to the engine's address."""
    with gateway("http://127.0.0.1:9", LastWordScorer()) as url:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        connection.request("GET", "http://example.org/")
        assert connection.getresponse().status == 400
        connection.close()


def test_headers_reach_the_engine_but_for_the_connections_own() -> None:
    """Credentials pass; the path stays as it was written; what belongs to one connection does not pass."""
    sent = {"Authorization": "ApiKey s3cret", "X-Opaque-Id": "7", "Connection": "keep-alive, X-Own", "X-Own": "1"}
    path = "/a%2Fb/_doc/%E6%BC%A2?q=%20+&x"
    with canned({path: http_answer(b"{}")}) as engine, gateway(engine.url, LastWordScorer(), key="k") as url:
        assert httpx.get(f"{url}/", headers=sent).status_code == 401
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        connection.request("GET", path, headers=sent | {"X-Relsearch-Key": "k"})
        assert connection.getresponse().status == 200
        connection.close()
        (head, _), *others = engine.requests
    assert others == []
    assert head.startswith(f"GET {path} HTTP/1.1\r\n")
    assert "Authorization: ApiKey s3cret\r\n" in head
    assert "X-Opaque-Id: 7\r\n" in head
    assert "x-own" not in head.lower()
    assert "x-relsearch-key" not in head.lower()
    assert f"Host: {urlsplit(engine.url).netloc}\r\n" in head


def test_templates_are_rendered_and_reranked() -> None:
    """The engine renders, the rendered search is widened; where it does not render, it answers itself."""
    template = {"source": "{{t}}", "params": {"t": 1}, "ext": {"relsearch": {}}}
    rendered = http_answer(json.dumps({"template_output": {"query": {"match": {"text": "tides"}}, "size": 2}}).encode())
    own = {"/sea/_search/template": http_answer(hits())}
    with canned({"/_render/template": rendered, **SEARCH}) as engine, gateway(engine.url, LastWordScorer()) as url:
        assert _ids(httpx.post(f"{url}/sea/_search/template", json=template)) == [11, 10]
        assert json.loads(engine.requests[-1][1])["size"] == 100
    refused = http_answer(b"{}", status="400 Bad Request")
    with canned({"/_render/template": refused, **own}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}/sea/_search/template", json=template)
        assert response.headers["X-Relsearch"] == "bypassed; reason=template"
        assert json.loads(engine.requests[-1][1]) == {"source": "{{t}}", "params": {"t": 1}}


def test_neither_bodies_nor_credentials_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails."""
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": "ApiKey s3cret"}
    body = BODY | {"query": {"match": {"text": "pr1vate"}}}
    with canned(SEARCH) as engine, gateway(engine.url, RaisingScorer(), breaker=Breaker(failures=1)) as url:
        httpx.post(f"{url}/sea/_search", json=body, headers=headers)
    with gateway("http://127.0.0.1:9", OverlapScorer()) as url:
        httpx.post(f"{url}/sea/_search?q=pr1vate", json=body, headers=headers)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith(("relsearch", "aio")))
    assert "reranker raised RuntimeError" in ours
    assert "upstream http://127.0.0.1:9" in ours
    assert "s3cret" not in ours
    assert "pr1vate" not in ours


def test_uploads_of_unknown_length_are_streamed() -> None:
    """A chunked body reaches the engine as chunks."""
    with canned({"/_bulk": http_answer(b"{}")}) as engine, gateway(engine.url, LastWordScorer()) as url:
        response = httpx.post(f"{url}/_bulk", content=(part for part in [b"a" * 10, b"b" * 10]))
        head, _ = engine.requests[0]
    assert response.status_code == 200
    assert "transfer-encoding: chunked" in head.lower()


def test_a_dead_host_is_passed_over() -> None:
    """Another host answers the searches, and stays the first one asked."""
    with canned(SEARCH) as engine, gateway(f"http://127.0.0.1:9,{engine.url}/", OverlapScorer()) as url:
        for _ in range(3):
            assert httpx.post(f"{url}/sea/_search", json=BODY).status_code == 200
    with gateway("http://127.0.0.1:9,http://127.0.0.1:10", OverlapScorer()) as url:
        assert httpx.get(f"{url}/sea/_count").status_code == 502


def test_an_engine_behind_tls_needs_its_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the answer says that TLS failed and what to name; with it the client's credentials pass."""
    made = certificates(tmp_path)
    with guarded("elasticsearch", made, asks_for=made.authority) as engine:
        with gateway(engine, OverlapScorer()) as url:
            reason = httpx.get(url).json()["error"]["reason"]
        monkeypatch.setenv("RELSEARCH_ES_CA_CERT", str(made.authority))
        monkeypatch.setenv("RELSEARCH_ES_CLIENT_CERT", str(made.client))
        with gateway(engine, OverlapScorer()) as url:
            statuses = [httpx.get(url, headers={"Authorization": given}).status_code for given in ("", f"ApiKey {KEY}")]
    assert "TLS failed" in reason
    assert "RELSEARCH_ES_CA_CERT" in reason
    assert statuses == [401, 200]
