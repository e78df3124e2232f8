"""The verbs of `benchmarks.data.growth`: each returns what is measured, on the data that `prepare` wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from relsearch.core import tables
from relsearch.core.query_pool import QueryPool
from relsearch.core.types import SCALES, Judgment
from relsearch.judge.judge_base import JudgeBase

_DEPTH = 100  # candidates a query
_WORDS, _VOCABULARY = 30, 50_000
_SCALE = SCALES["0-3"]
_SEED = 13
_RESAMPLES = 1000

_NOWHERE = "http://127.0.0.1:9"
_TEXT = " ".join(f"w{number}" for number in range(_WORDS))

Run = Callable[[], object]


def prepare(folder: Path, size: int, *, runs_alone: bool = False) -> None:
    """Write a collection of `size` documents with a query for every hundred, two runs of `size` rows, and labels.

    Where `runs_alone` is set, write what the verbs of RUNS_ALONE read.
    """
    rng = np.random.default_rng(_SEED)
    if not runs_alone:
        _write_collection(folder, size, rng)
    labels = _write_runs(folder, size, rng)
    human = labels.sample(fraction=0.1, seed=_SEED).select("query_id", pl.lit(0), "doc_id", "grade")
    human.write_csv(folder / "human.qrels", include_header=False, separator=" ")
    if not runs_alone:
        judged = labels.with_columns(
            grade=((pl.col("grade") + 1) % 4), source=pl.lit("judge"), judge=pl.lit("free"), confidence=pl.lit(0.7)
        ).with_columns(probabilities=pl.lit([0.1, 0.7, 0.1, 0.1]), expected=pl.col("grade").cast(pl.Float64))
        tables.write(judged, folder / "judgments.parquet", tables.JUDGMENTS)


def _write_collection(folder: Path, size: int, rng: np.random.Generator) -> None:
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as stream:
        for start in range(0, size, 10_000):
            words = rng.zipf(1.2, (min(10_000, size - start), _WORDS)) % _VOCABULARY
            for number, row in enumerate(words, start):
                stream.write(json.dumps({"_id": f"d{number}", "text": " ".join(f"w{word}" for word in row)}) + "\n")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as stream:
        for number in range(size // _DEPTH):
            stream.write(json.dumps({"_id": f"q{number}", "text": f"w{number % 97 + 20} w{number % 89 + 200}"}) + "\n")


def _write_runs(folder: Path, size: int, rng: np.random.Generator) -> pl.DataFrame:
    """Write two runs, and return a grade for each row of the second."""
    queries = [f"q{number}" for number in range(size // _DEPTH)]
    ids = np.repeat(queries, _DEPTH)
    ranks = np.tile(np.arange(1, _DEPTH + 1), len(queries))
    for name in ("a", "b"):
        drawn = rng.integers(0, size, (len(queries), 1)) + np.arange(_DEPTH) * rng.integers(1, 9, (len(queries), 1))
        run = pl.DataFrame({"query_id": ids, "doc_id": drawn.ravel() % size, "rank": ranks})
        run = run.with_columns(score=1 / (10 + pl.col("rank")), doc_id=pl.format("d{}", "doc_id"), tag=pl.lit(name))
        columns = ["query_id", pl.lit("Q0"), "doc_id", "rank", "score", "tag"]
        run.select(columns).write_csv(folder / f"{name}.trec", include_header=False, separator=" ")
    return run.select("query_id", "doc_id").with_columns(grade=pl.Series(rng.integers(0, 4, run.height)))


class FreeJudge(JudgeBase):
    """Gives every pair the same grade at no cost."""

    def judge(self, pools: Iterable[QueryPool]) -> Iterator[list[Judgment]]:
        """Yield the judgments of one pool after the other."""
        return ([self.judgment(pair, 1, (0.1, 0.7, 0.1, 0.1)) for pair in pool.pairs()] for pool in pools)


class FreeScorer:
    """Scores a text by its length, at no cost."""

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return a probability for each text."""
        return [1 / (2 + len(text)) for text in texts]


def _index(folder: Path, size: int) -> Run:
    from relsearch.core.settings.config import EncoderConfig, IndexConfig
    from relsearch.data.collection import load_collection
    from relsearch.index.registry import build_searcher

    def run() -> object:
        documents = load_collection(folder).documents()
        return build_searcher("embedded", documents, folder / "index", index=IndexConfig(), encoder=EncoderConfig())

    return run


def _pool(folder: Path, size: int) -> Run:
    from relsearch.data.pool import union
    from relsearch.data.trec import read_run

    return lambda: union((read_run(folder / f"{name}.trec") for name in ("a", "b")), _DEPTH)


def _rerank(folder: Path, size: int) -> Run:
    from relsearch.core.fields.template import DEFAULT_TEMPLATE
    from relsearch.core.files.journal import unfinished
    from relsearch.data.collection import load_collection, texts_of
    from relsearch.data.trec import read_run
    from relsearch.exporters.trec import write_run
    from relsearch.rerank.reorder import rerank_run
    from relsearch.rerank.reranker import Reranker

    def run() -> None:
        first = read_run(folder / "a.trec")
        queries, texts = texts_of(first, load_collection(folder), DEFAULT_TEMPLATE)
        with unfinished(folder / "reranked.trec") as journal:
            found = rerank_run(first, queries, texts, Reranker(FreeScorer()), depth=_DEPTH, journal=journal)
            write_run(found, folder / "reranked.trec", tag="free")

    return run


def _grade(folder: Path, size: int) -> Run:
    from relsearch.core.fields.template import DEFAULT_TEMPLATE
    from relsearch.core.query_pool import pools_of_run
    from relsearch.data.collection import load_collection, texts_of
    from relsearch.data.trec import read_run
    from relsearch.judge.store.judgment_store import judge_all

    def run() -> None:
        first = read_run(folder / "a.trec").sort("query_id", "rank")
        queries, texts = texts_of(first, load_collection(folder), DEFAULT_TEMPLATE)
        judge = FreeJudge(fingerprint="free", scale=_SCALE)
        labels = judge_all(judge, pools_of_run(first, queries, texts), folder / "store", total=first.height)
        tables.write(labels, folder / "graded.parquet", tables.JUDGMENTS)

    return run


def _ingest(folder: Path, size: int) -> Run:
    from relsearch.core.fields.template import DEFAULT_TEMPLATE
    from relsearch.core.settings.config import IndexConfig
    from relsearch.data.collection import load_collection
    from relsearch.index.engine.http import Reply, Server
    from relsearch.index.engine.ingest import ingest

    def send(method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        return Reply(404 if method == "GET" else 200, {})  # there is no such index yet

    def bulk(actions: Iterable[dict[str, Any]]) -> Iterator[tuple[bool, Any]]:
        return ((True, {"create": {"_id": action["_id"], "status": 201}}) for action in actions)

    def run() -> object:
        documents = load_collection(folder).documents()
        server = Server("elasticsearch", _NOWHERE, send, bulk)
        return ingest(documents, server, index=IndexConfig(url=_NOWHERE, name="docs"), template=DEFAULT_TEMPLATE)

    return run


def _fetch(folder: Path, size: int) -> Run:
    from relsearch.index.engine.http import Reply, Server
    from relsearch.pipeline.standalone.fetch import fetch_collection

    asked = count()
    target = folder / "fetched"
    target.mkdir()
    (target / "queries.jsonl").write_bytes((folder / "queries.jsonl").read_bytes())

    def send(method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        if not path.endswith("_search"):
            return Reply(200, {"docs": {"mappings": {"properties": {"text": {"type": "text"}}}}, "fields": {}})
        first = 7 * next(asked) % size
        hits = [
            {"_id": f"d{(first + rank) % size}", "_score": 1 / (1 + rank), "_source": {"text": _TEXT}}
            for rank in range(_DEPTH)
        ]
        return Reply(200, {"hits": {"hits": hits}})

    def run() -> object:
        server = Server("elasticsearch", _NOWHERE, send, lambda actions: iter(()))
        return fetch_collection(server, "docs", target, depth=_DEPTH, fields={"text": "text"}, body=None)

    return run


def _augment(folder: Path, size: int) -> Run:
    from relsearch.core.settings.config import Config
    from relsearch.data.trec import read_qrels
    from relsearch.labels.augment import augment

    def run() -> object:
        human = read_qrels(folder / "human.qrels", _SCALE)
        judged = tables.read(folder / "judgments.parquet", tables.JUDGMENTS)
        return augment(human, judged, queries=set(judged["query_id"]), scale=_SCALE, config=Config().augment)

    return run


def _precompute(folder: Path, size: int) -> Run:
    from relsearch.core.fields.template import render
    from relsearch.data.collection import load_collection
    from relsearch.rerank.vectors.folder import VectorFolder
    from relsearch.rerank.vectors.interaction import DocumentVectors
    from relsearch.rerank.vectors.store import StoreFacts

    free = DocumentVectors(np.zeros(64, np.float16), np.zeros((4, 64), np.int8))

    def run() -> object:
        store = VectorFolder(folder / "vectors", StoreFacts(encoder="free", pooled=64, tokens=64))
        texts = (render(document.fields) for document in load_collection(folder).documents())
        return store.add(texts, lambda each: [free] * len(each))

    return run


def _evaluate(folder: Path, size: int) -> Run:
    from relsearch.data.frames import Runs
    from relsearch.data.trec import read_qrels
    from relsearch.measure.evaluate import evaluate

    def run() -> object:
        runs = Runs({name: folder / f"{name}.trec" for name in ("a", "b")})
        labels = read_qrels(folder / "human.qrels", None)
        return evaluate(labels, runs, measures=["nDCG@10", "R@50"], resamples=_RESAMPLES, seed=_SEED)

    return run


def _agree(folder: Path, size: int) -> Run:
    from relsearch.data.trec import read_qrels
    from relsearch.measure.agreement import agreement

    def run() -> object:
        human = read_qrels(folder / "human.qrels", _SCALE)
        judged = tables.read(folder / "judgments.parquet", tables.JUDGMENTS)
        return agreement(human, judged, _SCALE, resamples=_RESAMPLES, seed=_SEED)

    return run


def _synthesize(folder: Path, size: int) -> Run:
    from relsearch.core.fields.template import render
    from relsearch.data.collection import load_collection
    from relsearch.synthesis.writer.store import write_all

    def run() -> object:
        texts = (render(document.fields) for document in load_collection(folder).documents())
        free = write_all(lambda each: [[text[:30]] for text in each], texts, folder / "written", fingerprint="free")
        return list(free)

    return run


VERBS: dict[str, Callable[[Path, int], Run]] = {
    "index": _index,
    "ingest": _ingest,
    "fetch": _fetch,
    "pool": _pool,
    "rerank": _rerank,
    "grade": _grade,
    "augment": _augment,
    "precompute": _precompute,
    "evaluate": _evaluate,
    "agree": _agree,
    "synthesize": _synthesize,
}
# Those that read runs and labels, and no documents.
RUNS_ALONE = {"pool", "evaluate"}
