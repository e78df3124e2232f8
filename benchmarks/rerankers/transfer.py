"""The ready reranker on queries that neither it nor the choice of its weights ever saw.

`python -m benchmarks.rerankers.transfer [--bundle ready] [--collections …] [--output runs/transfer]` reranks BM25's top
100, the published run where the collection has one and else the embedded one's, by the bundle's own scores, with BM25's
mixed in, and with all that it asks for, compared with the cosine of the untrained e5-small-v2. cnil-fr, in French, is
none of the languages that the ready reranker is for. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS. A cut run goes
on. Its table is in benchmarks/README.md.
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
from relsearch.rerank.families import open_scorer
from relsearch.rerank.interpolation import Interpolation
from relsearch.rerank.reorder import rerank_run
from relsearch.rerank.reranker import Reranker


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("ready"))
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
    record("transfer", {"collections": figures}, seed=SEED)


def _figures(name: str, bundle: Path, vectors: Path) -> dict[str, Any]:
    return compared(*_runs(name, bundle, vectors)).to_json()


def _runs(name: str, bundle: Path, vectors: Path) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The human grades, and the collection's run in each order."""
    collection, encoder = FolderCollection(COLLECTIONS / name, trec=False), EncoderConfig.model_validate(E5)
    qrels = read_qrels(COLLECTIONS / name / (OWN[name].qrels if name in OWN else "qrels.tsv"), None)
    bm25 = first_stage(name, collection, set(qrels["query_id"]))
    scorer = open_scorer(bundle, cached_documents=2 * bm25["doc_id"].n_unique())  # long ones take twice the room
    queries, texts = texts_of(bm25, collection, scorer.manifest.template)
    pairs = [Pair(q, d, queries[q], texts[d]) for q, d in bm25.select("query_id", "doc_id").iter_rows()]
    cosines = load_encoder(encoder, keep=vectors).cosines(pairs)
    runs = {
        "bm25": bm25,
        "cosine": reorder(bm25, cosines.tolist()),
        "ready": rerank_run(bm25, queries, texts, Reranker(scorer), depth=DEPTH),
        "mixed": rerank_run(
            bm25, queries, texts, Reranker(scorer, interpolation=Interpolation(scorer.manifest.mix)), depth=DEPTH
        ),
        "shipped": rerank_run(
            bm25, queries, texts, Reranker(scorer, interpolation=scorer.manifest.interpolation), depth=DEPTH
        ),
    }
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
