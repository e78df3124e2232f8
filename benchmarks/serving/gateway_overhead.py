"""What the gateway adds to requests that it passes untouched, what cutting a page costs, and whether searches are lost.

Each request is made directly and through the gateway in turn, on connections kept alive; the figure is the median of
the differences. A page of 100 hits is put in a new order as slices of the engine's text, and for comparison by reading
all of it as JSON and writing it anew, as the gateway once did. Searches may be lost to a broken reranker. Takes about
three minutes: `python -m benchmarks.serving.gateway_overhead [--requests N] [--engines elasticsearch opensearch]`.
Its table is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from benchmarks.record import record
from benchmarks.serving.engines import NAMES, engine, started
from benchmarks.serving.gateway_process import FAULTS
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.live.gateway.answer.documents import read_text
from relsearch.live.gateway.answer.page import read_page, reranked
from relsearch.live.gateway.config import Rules
from relsearch.live.gateway.json_slices import edited
from relsearch.live.gateway.request.ask import Ask
from relsearch.live.gateway.request.rewrite import Search, plan
from relsearch.rerank.interpolation import NO_INTERPOLATION
from relsearch.rerank.partly import placed

INDEX = "overhead"
MATCH = {"query": {"match": {"text": "tides"}}}
REQUESTS: dict[str, tuple[str, str, bytes]] = {
    "get": ("GET", f"/{INDEX}/_doc/1", b""),
    "search": ("POST", f"/{INDEX}/_search", json.dumps(MATCH).encode()),
    "search_100_hits": ("POST", f"/{INDEX}/_search", json.dumps({**MATCH, "size": 100}).encode()),
}
HEADERS = {"Content-Type": "application/json"}
AT_ONCE = 8
ASKED = json.dumps({**MATCH, "ext": {"relsearch": {"budget_ms": 200}}}).encode()


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="of each kind, directly and through the gateway")
    parser.add_argument("--engines", nargs="+", choices=NAMES, default=list(NAMES))
    options = parser.parse_args()
    engines = {name: _measure(name, options.requests) for name in options.engines}
    figures = {
        "gateway_overhead_ms": engines[options.engines[0]]["overhead_ms"],
        "searches_lost": sum(each["searches_lost"] for each in engines.values()),
        "requests_of_a_kind": options.requests,
        "engines": engines,
    }
    record("gateway_overhead", figures)
    print(json.dumps(figures, indent=1))


def _measure(name: str, requests: int) -> dict[str, Any]:
    with engine(name) as url:
        _fill(url)
        cutting = _cutting(url, requests // 5)
        with started([sys.executable, "-m", "benchmarks.serving.gateway_process", url, "none"]) as through:
            kinds = {kind: _overhead(url, through, request, requests) for kind, request in REQUESTS.items()}
        lost = {fault: _lost(url, fault, max(requests // 5, AT_ONCE)) for fault in FAULTS}
    overhead = statistics.median(figures["overhead_ms"] for figures in kinds.values())
    return {
        "overhead_ms": overhead,
        "kinds": kinds,
        **cutting,
        "searches_lost": sum(lost.values()),
        "lost_by_fault": lost,
    }


def _fill(url: str) -> None:
    lines = []
    for number in range(300):
        source = {"title": f"Document {number}", "text": "tides " * (number % 17 + 1) + "of the sea " * 20}
        lines += [{"index": {"_index": INDEX, "_id": str(number)}}, source]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    _ask(_connection(url), "POST", "/_bulk?refresh=true", body)


def _connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> float:
    """Return the seconds that a request takes to its last byte."""
    began = time.perf_counter()
    connection.request(method, path, body or None, HEADERS)
    response = connection.getresponse()
    response.read()
    elapsed = time.perf_counter() - began
    if response.status != 200:
        raise SystemExit(f"{method} {path} gave {response.status}")
    return elapsed


def _overhead(url: str, through: str, request: tuple[str, str, bytes], requests: int) -> dict[str, float]:
    direct, gateway = _connection(url), _connection(through)
    pairs = []
    for turn in range(requests + requests // 10 + 1):
        # Which comes first alternates, so that neither finds the other's caches warm.
        first, second = (direct, gateway) if turn % 2 else (gateway, direct)
        seconds = {id(first): _ask(first, *request), id(second): _ask(second, *request)}
        pairs.append((seconds[id(direct)], seconds[id(gateway)]))
    measured = pairs[requests // 10 :]  # the first ones warm up
    return {
        "direct_ms": round(1000 * statistics.median(pair[0] for pair in measured), 3),
        "gateway_ms": round(1000 * statistics.median(pair[1] for pair in measured), 3),
        "overhead_ms": round(1000 * statistics.median(pair[1] - pair[0] for pair in measured), 3),
    }


def _cutting(url: str, turns: int) -> dict[str, float]:
    """Return the milliseconds that an answer of 100 hits takes from the engine's text to the client's, both ways."""
    connection = _connection(url)
    connection.request("POST", f"/{INDEX}/_search", json.dumps({**MATCH, "size": 100}), HEADERS)
    text = connection.getresponse().read()
    search = Search(INDEX, MATCH, text=json.dumps(MATCH))
    wanted = plan(search, Ask(), Rules(), DEFAULT_TEMPLATE, NO_INTERPOLATION)
    scores = {place: 1 / (101 - place) for place in range(100)}

    def slices() -> bytes:
        page = read_page(text, plan=wanted, most=2000)
        return edited(text, reranked(page, wanted, placed(scores, range(len(page.hits)))))

    def anew() -> bytes:
        answer = json.loads(text)
        hits = answer["hits"]["hits"]
        for hit in hits:
            read_text(hit, wanted.template, {}, most=2000)
        order = placed(scores, range(len(hits)))
        answer["hits"]["hits"] = [{**hits[place], "_score": score} for place, score in order[:10]]
        return json.dumps(answer).encode()

    spent: dict[str, list[float]] = {"slices_ms": [], "anew_ms": []}
    for _ in range(turns):
        for name, way in (("slices_ms", slices), ("anew_ms", anew)):
            began = time.perf_counter()
            way()
            spent[name].append(1000 * (time.perf_counter() - began))
    return {name: round(statistics.median(each), 3) for name, each in spent.items()}


def _lost(url: str, fault: str, searches: int) -> int:
    """Return how many reranked searches, AT_ONCE at a time, came back without the engine's hits."""
    with started([sys.executable, "-m", "benchmarks.serving.gateway_process", url, fault]) as through:
        return asyncio.run(_count_lost(through, searches))


async def _count_lost(through: str, searches: int) -> int:
    async with aiohttp.ClientSession(through) as session:
        lanes = [_count_lane(session, searches // AT_ONCE) for _ in range(AT_ONCE)]
        return sum(await asyncio.gather(*lanes))


async def _count_lane(session: aiohttp.ClientSession, searches: int) -> int:
    lost = 0
    for _ in range(searches):
        try:
            async with session.post(f"/{INDEX}/_search", data=ASKED, headers=HEADERS) as response:
                answer = await response.json()
                lost += response.status != 200 or len(answer["hits"]["hits"]) != 10
        except aiohttp.ClientError:
            lost += 1
    return lost


if __name__ == "__main__":
    main()
