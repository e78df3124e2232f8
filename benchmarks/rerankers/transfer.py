"""The ready reranker on queries that neither it nor the choice of its weights ever saw.

`python -m benchmarks.rerankers.transfer [--bundle ready] [--collections …] [--output runs/transfer]` reranks BM25's top
100, the published run where the collection has one and else the embedded one's, by the bundle's own scores, with BM25's
mixed in, and with all that it asks for, compared with the cosine of the untrained e5-small-v2. cnil-fr, in French, is
none of the languages that the ready reranker is for. Another bundle is recorded apart, by its folder's name, with a
test against the ready one. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes on. Its tables are in
benchmarks/README.md and benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data.bm25 import DEPTH
from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.rerankers.own_collections import OWN
from benchmarks.rerankers.trec_dl import E5, TEST
from benchmarks.rerankers.trial import compared, kept_figures
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.tables import candidates_table
from relsearch.core.types import Pair
from relsearch.data.collection import FolderCollection, texts_of
from relsearch.data.trec import read_qrels, read_run
from relsearch.encoders.encoder import load_encoder
from relsearch.index.registry import build_searcher
from relsearch.pipeline.stages.runs import reorder
from relsearch.rerank.bundle import MODEL, open_bundle
from relsearch.rerank.calibrated import CalibratedScorer
from relsearch.rerank.families import open_scorer
from relsearch.rerank.interpolation import NO_INTERPOLATION, Interpolation
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker

READY, OF_READY = Path("ready"), "the ready reranker"


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=READY)
    parser.add_argument("--collections", nargs="+", choices=[TEST, *OWN], default=[TEST, *OWN])
    parser.add_argument("--output", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--vectors", type=Path, default=Path("runs/trec-dl/vectors"), help="kept vectors of e5")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    model = open_bundle(arguments.bundle).manifest.files[MODEL][:8]  # another model's figures are not taken for its own
    for name in arguments.collections:
        print(name, flush=True)
        made = partial(_figures, name, arguments.bundle, arguments.vectors)
        figures[name] = kept_figures(arguments.output / model / f"{name}.json", made)
    other = "" if arguments.bundle == READY else f"_{arguments.bundle.name.replace('-', '_')}"
    record(f"transfer{other}", {"collections": figures}, seed=SEED)


def _figures(name: str, bundle: Path, vectors: Path) -> dict[str, Any]:
    qrels, runs = _runs(name, bundle, vectors)
    figures = compared(qrels, runs).to_json()
    if bundle == READY:
        return figures
    return figures | {"against_ready": compared(qrels, {run: runs[run] for run in (OF_READY, "shipped")}).to_json()}


def _runs(name: str, bundle: Path, vectors: Path) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The human grades, and the collection's run in each order."""
    collection, encoder = FolderCollection(COLLECTIONS / name, trec=False), EncoderConfig.model_validate(E5)
    qrels = read_qrels(COLLECTIONS / name / (OWN[name].qrels if name in OWN else "qrels.tsv"), None)
    bm25 = first_stage(name, collection, set(qrels["query_id"]))
    documents = 2 * bm25["doc_id"].n_unique()  # long ones take twice the room
    scorer = open_scorer(bundle, cached_documents=documents)
    queries, texts = texts_of(bm25, collection, scorer.manifest.template)
    pairs = [Pair(q, d, queries[q], texts[d]) for q, d in bm25.select("query_id", "doc_id").iter_rows()]
    cosines = load_encoder(encoder, keep=vectors).cosines(pairs)

    def ranked(own: CalibratedScorer, interpolation: Interpolation) -> pl.DataFrame:
        return rerank_run(bm25, queries, texts, Reranker(own, interpolation=interpolation), depth=DEPTH)

    runs = {
        "bm25": bm25,
        "cosine": reorder(bm25, cosines.tolist()),
        "ready": ranked(scorer, NO_INTERPOLATION),
        "mixed": ranked(scorer, Interpolation(scorer.manifest.mix)),
        "shipped": ranked(scorer, scorer.manifest.interpolation),
    }
    if bundle != READY:
        ready = open_scorer(READY, cached_documents=documents)
        runs[OF_READY] = ranked(ready, ready.manifest.interpolation)
    return qrels, runs


def first_stage(name: str, collection: FolderCollection, judged: set[str]) -> pl.DataFrame:
    """Return BM25's top of the judged queries: the published run, else the embedded searcher's."""
    published = COLLECTIONS / name / "runs" / "bm25.trec"
    if published.is_file():
        return read_run(published).filter(pl.col("query_id").is_in(judged), pl.col("rank") <= DEPTH)
    asked = [query for query in collection.queries() if query.query_id in judged]
    with tempfile.TemporaryDirectory() as folder:
        index, encoder = IndexConfig(language=OWN[name].language), EncoderConfig()
        searcher = build_searcher("embedded", collection.documents(), folder, index=index, encoder=encoder)
        return candidates_table(searcher.search(asked, DEPTH))


if __name__ == "__main__":
    main()
