"""What a search waits for its documents' vectors: read now, from a folder, or from an index of a real engine.

`python -m benchmarks.serving.stored_vectors [--bundle ready] [--collection vaswani] [--searches 30] [--engines ...]`
takes 100 other documents for each search, so that no cache helps, and times the ways in turn. Needs
RELSEARCH_COLLECTIONS and RELSEARCH_SERVERS. Its table is in benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.folders import COLLECTIONS
from benchmarks.record import record
from benchmarks.serving.engines import NAMES, engine
from relsearch.core.display.text_table import table
from relsearch.data.collection import load_collection
from relsearch.index.engine.vector_index import open_vectors
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer

CANDIDATES = 100
READ, FOLDER = "read now", "folder"
Lookup = Callable[[list[str]], object]


def main() -> None:
    """Store, time, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("ready"))
    parser.add_argument("--collection", default="vaswani")
    parser.add_argument("--searches", type=int, default=30)
    parser.add_argument("--engines", nargs="+", choices=NAMES, default=list(NAMES))
    options = parser.parse_args()
    scorer = LateOnnxScorer.open(options.bundle)
    documents = load_collection(str(COLLECTIONS / options.collection)).documents()
    texts = list(dict.fromkeys(scorer.render(document.fields) for document in documents))
    searches = [texts[start : start + CANDIDATES] for start in range(0, CANDIDATES * options.searches, CANDIDATES)]
    ways = [_stored(name, options.bundle, searches) for name in options.engines]
    figures = {
        "candidates": CANDIDATES,
        "searches": options.searches,
        "engines": dict(zip(options.engines, ways, strict=True)),
    }
    record("stored_vectors", figures)
    for name, found in figures["engines"].items():
        print(name, table(["vectors", "ms a search"], [[way, str(ms)] for way, ms in found["ms"].items()]), sep="\n")


def _stored(name: str, bundle: Path, searches: Sequence[list[str]]) -> dict[str, Any]:
    with engine(name) as url, tempfile.TemporaryDirectory() as folder:
        places = {FOLDER: folder, f"index of {name}": f"{url}/vectors"}
        scorers = {
            place: LateOnnxScorer.open(bundle, vectors=open_vectors(at, create=True)) for place, at in places.items()
        }
        found: dict[str, Any] = {}
        for place, scorer in scorers.items():
            scorer.open_store().add([text for texts in searches for text in texts], scorer.document_vectors)
            found[place] = round(scorer.open_store().nbytes / len(scorer.open_store()))
        ways: dict[str, Lookup] = {place: scorer.open_store().lookup for place, scorer in scorers.items()}
        ways[READ] = scorers[FOLDER].document_vectors
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for texts in searches:
            for way, lookup in ways.items():
                began = time.perf_counter()
                lookup(texts)
                seconds[way].append(time.perf_counter() - began)
    return {
        "ms": {way: round(1000 * float(np.median(each)), 1) for way, each in seconds.items()},
        "bytes_a_document": found,
    }


if __name__ == "__main__":
    main()
