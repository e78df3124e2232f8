"""What a gateway that has read nothing yet does for its first searches, on scifact in a real Elasticsearch.

`python -m benchmarks.serving.gateway_cold [--searches 200] [--every 3] [--at-once 8] [--each 25]` starts the engine and
`relsearch gateway --bundle ready` as the README does, without vectors. One user asks a question of scifact's test
queries every so many seconds; then so many users at once do the same of a fresh gateway; then a client asks for the
engine's health while another searches 100 documents of 50 kB, 200 kB and 1 MB. Needs RELSEARCH_COLLECTIONS and
RELSEARCH_SERVERS. Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import polars as pl

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.serving.engines import engine, started
from relsearch.core.types import Query
from relsearch.data.collection import load_collection
from relsearch.measure.query_values import query_values

BUDGET_MS = 500  # the gateway's default
HEADERS = {"Content-Type": "application/json"}
_QRELS = {"query_id": pl.String, "doc_id": pl.String, "grade": pl.Int64}
_RUN = {"query_id": pl.String, "doc_id": pl.String, "rank": pl.Int64, "score": pl.Float64, "searcher": pl.String}
_SIZES_KB = (50, 200, 1000)


class Asked(NamedTuple):
    """One search: its query, the ids that came back, the gateway's mark and the milliseconds that it took."""

    query_id: str
    doc_ids: list[str]
    mark: str
    ms: float


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=200, help="of one user")
    parser.add_argument("--every", type=float, default=3.0, help="seconds from one question of a user to the next")
    parser.add_argument("--at-once", type=int, default=8, help="users of the second part")
    parser.add_argument("--each", type=int, default=25, help="searches of each of them")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with engine("elasticsearch") as url:
        figures = asyncio.run(_measured(url, options))
    figures["load_average_before"] = round(load_before, 2)
    record("gateway_cold", figures)
    print(json.dumps(figures, indent=1))


async def _measured(url: str, options: argparse.Namespace) -> dict[str, Any]:
    collection = load_collection(str(COLLECTIONS / "scifact"))
    grades = [(label.query_id, label.doc_id, label.grade) for label in collection.qrels()]
    qrels = pl.DataFrame(grades, schema=_QRELS, orient="row")
    labelled = set(qrels["query_id"])
    queries = [query for query in collection.queries() if query.query_id in labelled]
    await _fill(url, "sci", [(doc.doc_id, dict(doc.fields)) for doc in collection.documents()])
    asked = queries[: options.searches]
    engines_own = [await _direct(url, query) for query in asked]
    with _gateway(url) as through:
        alone = await _user(through, asked, options.every)
    with _gateway(url) as through:
        users = [queries[turn :: options.at_once][: options.each] for turn in range(options.at_once)]
        many = [
            each
            for part in await asyncio.gather(*(_user(through, part, options.every) for part in users))
            for each in part
        ]
    with _gateway(url) as through:
        idle = await _waits(through, lambda: asyncio.sleep(5.0))
        health = {f"health_p99_ms_{kilobytes}kb": await _health(url, through, kilobytes) for kilobytes in _SIZES_KB}
    return {
        **_one_user(alone, engines_own, qrels),
        "health_p99_ms_1mb": health.pop(f"health_p99_ms_{_SIZES_KB[-1]}kb"),
        **health,
        "health_p99_ms_idle": idle,
        "at_once": {"users": options.at_once, **_shares(many), "errors": sum(not each.mark for each in many)},
        "budget_ms": BUDGET_MS,
        "every_s": options.every,
        "cores": os.cpu_count(),
    }


def _gateway(url: str) -> Any:
    command = [sys.executable, "-c", "from relsearch.cli import main; main()", "gateway", "--bundle", "ready"]
    return started([*command, "--upstream", url, "--port", "0"])


async def _fill(url: str, index: str, documents: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    text = {"type": "text", "analyzer": "english"}
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    mapping = {"settings": settings, "mappings": {"properties": {"title": text, "text": text}}}
    async with aiohttp.ClientSession(url) as session:
        await _ok(session.put(f"/{index}", json=mapping))
        for start in range(0, len(documents), 500):
            lines = []
            for doc_id, fields in documents[start : start + 500]:
                lines += [json.dumps({"index": {"_index": index, "_id": doc_id}}), json.dumps(fields)]
            await _ok(session.post("/_bulk", data="\n".join(lines) + "\n", headers=HEADERS))
        await _ok(session.post(f"/{index}/_refresh"))


async def _ok(request: Any) -> None:
    async with request as response:
        if response.status >= 300:
            raise SystemExit(f"the engine answered {response.status}: {(await response.text())[:300]}")


def _body(query: Query) -> dict[str, Any]:
    return {"query": {"multi_match": {"query": query.text, "fields": ["title", "text"]}}}


async def _direct(url: str, query: Query) -> Asked:
    async with aiohttp.ClientSession(url) as session:
        return await _ask(session, query, _body(query))


async def _user(url: str, queries: Sequence[Query], every_s: float) -> list[Asked]:
    """Ask one query after another, a new one every `every_s` seconds."""
    found = []
    async with aiohttp.ClientSession(url) as session:
        for query in queries:
            began = time.perf_counter()
            found.append(await _ask(session, query, {**_body(query), "ext": {"relsearch": True}}))
            await asyncio.sleep(max(0.0, every_s - (time.perf_counter() - began)))
    return found


async def _ask(session: aiohttp.ClientSession, query: Query, body: Mapping[str, Any]) -> Asked:
    began = time.perf_counter()
    async with session.post("/sci/_search", json=body) as response:
        answer = await response.json()
        ms = 1000 * (time.perf_counter() - began)
        hits = answer["hits"]["hits"] if response.status == 200 else []
        return Asked(query.query_id, [hit["_id"] for hit in hits], response.headers.get("X-Relsearch", ""), ms)


def _one_user(alone: Sequence[Asked], engines_own: Sequence[Asked], qrels: pl.DataFrame) -> dict[str, Any]:
    parts = {"first_10": slice(0, 10), "11_50": slice(10, 50), "51_200": slice(50, 200)}
    figures: dict[str, Any] = {"searches": len(alone), **_shares(alone)}
    figures["ndcg10_engine"], figures["ndcg10"] = _ndcg10(engines_own, qrels), _ndcg10(alone, qrels)
    for name, part in parts.items():
        if alone[part]:
            figures[f"ndcg10_{name}"] = _ndcg10(alone[part], qrels)
            figures[f"ndcg10_engine_{name}"] = _ndcg10(engines_own[part], qrels)
            figures[f"read_{name}"] = _shares(alone[part])["documents_read"]
    return figures


def _ndcg10(asked: Sequence[Asked], qrels: pl.DataFrame) -> float:
    rows = [
        (each.query_id, doc_id, rank, 1 / rank, "gateway")
        for each in asked
        for rank, doc_id in enumerate(each.doc_ids, 1)
    ]
    judged = qrels.filter(pl.col("query_id").is_in([each.query_id for each in asked]))
    run = pl.DataFrame(rows, schema=_RUN, orient="row")
    return round(float(query_values(judged, run, ["nDCG@10"])["nDCG@10"].mean()), 4)


def _shares(asked: Sequence[Asked]) -> dict[str, Any]:
    """How many were reranked, of how many documents, why others were not, and how long they took."""
    marks = [each.mark for each in asked]
    read = [int(mark.partition("read=")[2].partition("/")[0]) for mark in marks if mark.startswith("reranked")]
    times = sorted(each.ms for each in asked)
    return {
        "reranked_share": round(len(read) / len(asked), 4),
        "documents_read": round(statistics.fmean(read), 1) if read else 0.0,
        "bypassed": dict(Counter(mark for mark in marks if mark.startswith("bypassed"))),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1),
    }


async def _health(url: str, through: str, kilobytes: int) -> float:
    """The 99th percentile of what a health request takes, in ms, while searches read documents of this size."""
    index = f"big{kilobytes}"
    page = "page of the report with much to say. " * (kilobytes * 1000 // 37)
    documents = [(str(n), {"title": f"report number {n}", "text": f"{n} {page}"}) for n in range(100)]
    for start in range(0, 100, 20):
        await _add(url, index, documents[start : start + 20])
    body = {"query": {"match": {"title": "report"}}, "_source": ["title"], "ext": {"relsearch": True}}

    async def search() -> None:
        async with aiohttp.ClientSession(through) as session:
            for _ in range(5):
                await _ok(session.post(f"/{index}/_search", json=body))

    return await _waits(through, search)


async def _waits(through: str, meanwhile: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """The 99th percentile of what a health request takes, in ms, while something else goes on."""
    done = asyncio.Event()
    waits: list[float] = []

    async def watch() -> None:
        async with aiohttp.ClientSession(through) as session:
            while not done.is_set():
                began = time.perf_counter()
                await _ok(session.get("/_cluster/health"))
                waits.append(1000 * (time.perf_counter() - began))
                await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await meanwhile()
    done.set()
    await watching
    waits.sort()
    return round(waits[int(0.99 * (len(waits) - 1))], 1)


async def _add(url: str, index: str, documents: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    lines = []
    for doc_id, fields in documents:
        lines += [json.dumps({"index": {"_index": index, "_id": doc_id}}), json.dumps(fields)]
    async with aiohttp.ClientSession(url) as session:
        await _ok(session.post("/_bulk?refresh=true", data="\n".join(lines) + "\n", headers=HEADERS))


if __name__ == "__main__":
    main()
