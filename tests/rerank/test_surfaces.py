"""One bundle gives one score, whichever surface asks for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import relsearch
from relsearch.cli import app
from relsearch.data.trec import read_run
from relsearch.live.gateway.answer.ranking import Ranking, deadline
from relsearch.live.gateway.answer.source import SourceFilter
from relsearch.live.gateway.config import GatewayConfig, Rules
from relsearch.live.gateway.request.rewrite import Plan
from relsearch.live.gateway.scoring.scoring import Scoring
from relsearch.live.service.worker import app_of_environment
from relsearch.rerank.reranker import Reranker

QUERY = "why does a cat purr"
TEXTS = {
    "cat": "A cat purrs when it is calm.",
    "tea": "Green tea is steeped at 80 degrees.",
    "tide": "Tides follow the moon.",
    "pain": "Some cats purr when they are in pain.",
}
STAGE = {"cat": 3.0, "tea": 9.5, "tide": 2.0, "pain": 1.0}
Scores = Mapping[str, float]


class Engine:
    """The search of a client that finds the texts with their first-stage scores."""

    def search(self, *, index: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return all of them."""
        return {"hits": {"hits": _hits(index)}}


def _hits(index: str) -> list[dict[str, Any]]:
    best_first = sorted(TEXTS, key=lambda name: -STAGE[name])
    return [
        {"_id": name, "_index": index, "_score": STAGE[name], "_source": {"text": TEXTS[name]}} for name in best_first
    ]


def _searched(bundle: str) -> Scores:
    found = relsearch.search(Engine(), "docs", QUERY, bundle=bundle)
    assert found.reranked, found.reason
    return {hit.doc_id: hit.score or 0.0 for hit in found.hits}


def _through_gateway(bundle: str) -> Scores:
    scoring = Scoring(Reranker(bundle))
    plan = Plan(
        "{}",
        (),
        QUERY,
        Rules(budget_ms=60_000),
        scoring.reranker.template,
        scoring.reranker.interpolation,
        0,
        10,
        SourceFilter(),
    )
    page, mark = asyncio.run(_page(Ranking(GatewayConfig(), {None: scoring}), plan))
    scoring.close()
    assert mark.startswith("reranked")
    return {hit["_id"]: hit["_score"] for hit in page["hits"]["hits"]}


async def _page(ranking: Ranking, plan: Plan) -> tuple[dict[str, Any], str]:
    raw, until = json.dumps({"hits": {"hits": _hits("docs")}}).encode(), deadline([plan])
    (page,) = await ranking.read([raw], [plan], many=False, until=until)
    edits, mark = await ranking.rank(page, plan, until=until)
    return json.loads(await ranking.written(page, edits, compress=False)), mark


def _reranked(bundle: str, folder: Path, *options: str) -> Scores:
    rows = "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in TEXTS.items())
    (folder / "corpus.jsonl").write_text(rows, encoding="utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": QUERY}) + "\n", encoding="utf-8")
    lines = [f"q Q0 {hit['_id']} {rank} {hit['_score']} bm25\n" for rank, hit in enumerate(_hits(""), 1)]
    (folder / "run.trec").write_text("".join(lines), encoding="utf-8")
    output = folder / "reranked.trec"
    command = ["rerank", str(folder / "run.trec"), "--bundle", bundle, "--collection", str(folder), "-o", str(output)]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.exception
    return dict(read_run(output).select("doc_id", "score").iter_rows())


async def _served(texts: Sequence[str]) -> list[float]:
    service = app_of_environment()
    async with (
        service.router.lifespan_context(service),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://service") as client,
    ):
        answer = await client.post("/rerank", json={"query": QUERY, "texts": list(texts)})
    found = {row["index"]: row["score"] for row in answer.json()}
    return [found[place] for place in range(len(texts))]


def test_candidates_below_the_lowest_score_are_left_out(tmp_path: Path) -> None:
    """The others keep their scores; where none is left, nothing is written."""
    scores = _reranked("ready", tmp_path)
    lowest = sorted(scores.values())[2]
    kept = {name: score for name, score in scores.items() if score >= lowest}
    assert len(kept) == 2
    assert _reranked("ready", tmp_path, "--min-score", repr(lowest)) == kept
    with pytest.raises(AssertionError, match="no candidate of any query has"):
        _reranked("ready", tmp_path, "--min-score", "1")
    assert dict(read_run(tmp_path / "reranked.trec").select("doc_id", "score").iter_rows()) == kept


@pytest.mark.parametrize("kind", ["ready", "late", "cross"])
def test_all_surfaces_give_one_score(
    kind: str,
    late_bundle: Path,
    tiny_bundles: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Search, gateway, `rerank` and the API weigh alike; the service does so without first-stage scores."""
    bundle = {"ready": "ready", "late": str(late_bundle), "cross": str(tiny_bundles["fp32"])}[kind]
    reranker = Reranker(bundle)
    names = [hit["_id"] for hit in _hits("")]
    texts = [TEXTS[name] for name in names]
    wanted = dict(zip(names, reranker.score_pool(QUERY, texts, [STAGE[name] for name in names]), strict=True))
    for found in (_searched(bundle), _through_gateway(bundle), _reranked(bundle, tmp_path)):
        assert found == pytest.approx(wanted, abs=1e-6)
    monkeypatch.setenv("RELSEARCH_BUNDLE", bundle)
    assert asyncio.run(_served(texts)) == pytest.approx(reranker.score_pool(QUERY, texts), abs=1e-6)
