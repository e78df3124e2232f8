"""The figures that a change of code may break, against those recorded: `make bench-quick`, 15 minutes on two cores.

`python -m benchmarks.quick [--only PART...] [--record]` prints each figure with the recorded one and exits 1 where one
is worse by more than its tolerance or a part fails; the other parts go on. A figure is compared with
results/quick.json, which --record writes, and with the whole benchmark's where that has not recorded it. Speed is
compared with that of a processor with the same flags alone. Needs RELSEARCH_COLLECTIONS and RELSEARCH_MODELS.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.deals import SEED
from benchmarks.folders import COLLECTIONS, use_models
from benchmarks.record import cpu, record, recorded
from relsearch.core.display.text_table import table
from relsearch.core.query_pool import pools_of

MEASURE = "nDCG@10"
TEST, TRAINED = "trec-dl-2019", "vaswani"
EVERY_QUERY, TRAINING_STEPS, ODD_INPUTS = 6, 20, 5
# How much worse a figure may be than the recorded one.
EXACT = 0.0005  # the same files give the same figure: only its recorded rounding may differ
ROUNDED = 0.005  # processors round products otherwise, which swaps near ties (0.0035 was seen)
FEW_QUERIES = 0.01  # of the few pairs that are graded, those near a threshold get another grade by the same rounding
RETRAINED = 0.01  # the same rounding at every step ends in other weights
SPEED = 0.3  # a share of the ratio: another load on the machine slows the two ways unequally


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure; `tolerance` is how much worse than the recorded one it may be, `sign` is -1 where less is better."""

    name: str
    value: float
    tolerance: float
    sign: int = 1
    speed: bool = False

    def worse(self, before: float) -> bool:
        """Whether it is worse than before by more than the tolerance, or no number."""
        return not self.sign * (before - self.value) <= self.tolerance


def main() -> None:
    """Measure, print, record if asked to; exit 1 where a figure is worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--record", action="store_true", help="write results/quick.json, part by part")
    arguments = parser.parse_args()
    use_models()
    rows, worse = [], []
    for part in arguments.only:
        started = (time.perf_counter(), time.process_time())
        try:
            with tempfile.TemporaryDirectory() as folder:
                figures = PARTS[part](Path(folder))
        except Exception:
            traceback.print_exc()
            worse.append(f"{part} (failed)")
            continue
        spent = {"seconds": time.perf_counter() - started[0], "cpu_seconds": time.process_time() - started[1]}
        print(f"{part}: {spent['seconds']:.0f} s, {spent['cpu_seconds']:.0f} s of processors", flush=True)
        before = baseline(figures)
        rows += [row(one, before.get(one.name)) for one in figures]
        worse += [one.name for one in figures if one.name in before and one.worse(before[one.name])]
        if arguments.record:
            _record(part, figures, spent)
    print(table(["figure", "recorded", "now", "difference", "tolerance", ""], rows))
    if worse:
        raise SystemExit(f"worse than recorded: {', '.join(worse)}")


def row(figure: Figure, before: float | None) -> list[str]:
    """Return a figure's line of the table."""
    shown = [figure.name, "" if before is None else f"{before:.4f}", f"{figure.value:.4f}"]
    difference = "" if before is None else f"{figure.value - before:+.4f}"
    verdict = "" if before is None else "WORSE" if figure.worse(before) else "ok"
    return [*shown, difference, f"{figure.tolerance:g}", verdict]


def baseline(figures: list[Figure]) -> dict[str, float]:
    """Return what was recorded of these figures, those of speed on a processor with these flags."""
    kept = recorded("quick") or {"parts": {}}
    values = {one["name"]: one for part in kept["parts"].values() for one in part["figures"]}
    same = kept.get("cpu_flags") == cpu()["cpu_flags"]
    known = {name: float(one["value"]) for name, one in values.items() if same or not one["speed"]}
    wanted = {one.name for one in figures}
    return {name: value for name, value in (_whole() | known).items() if name in wanted}


def _whole() -> dict[str, float]:
    """What the whole benchmarks recorded of figures that are measured alike here."""
    bm25, transfer, values = recorded("bm25") or {}, recorded("transfer"), {}
    for name, engines in bm25.items():
        if isinstance(engines, dict) and "embedded" in engines:
            values[f"BM25, {name}, {MEASURE}"] = float(engines["embedded"]["ndcg10_sources_kept"])
    if transfer:
        runs = transfer["collections"][TEST]["runs"]
        values |= {
            f"ready reranker, {way}, {TEST}, {MEASURE}": float(runs[run][MEASURE]["mean"])
            for way, run in (("own scores", "ready"), ("as shipped", "shipped"))
        }
    return values | dict.fromkeys(("odd inputs, tracebacks", "odd inputs, files changed"), 0.0)


def _record(part: str, figures: list[Figure], spent: Mapping[str, float]) -> None:
    kept = (recorded("quick") or {"parts": {}})["parts"]
    mine = {"figures": [asdict(one) for one in figures], **{name: round(each) for name, each in spent.items()}}
    record("quick", {"parts": {**kept, part: mine}}, seed=SEED)


def bm25(folder: Path) -> list[Figure]:
    """BM25 by the embedded searcher on whole collections."""
    from benchmarks.data.bm25 import QRELS, measure
    from relsearch.core.settings.config import IndexConfig

    index = IndexConfig(k1=0.9, b=0.4, name=folder.name)
    return [
        Figure(f"BM25, {name}, {MEASURE}", measure("embedded", name, index)["ndcg10_sources_kept"], EXACT)
        for name in QRELS
    ]


def reranker(folder: Path) -> list[Figure]:
    """The ready reranker over BM25's top 100 of TREC DL 2019."""
    from benchmarks.rerankers.transfer import first_stage
    from relsearch.data.collection import FolderCollection, texts_of
    from relsearch.data.trec import read_qrels
    from relsearch.rerank.families import open_scorer
    from relsearch.rerank.reorder import rerank_run
    from relsearch.rerank.reranker import Reranker

    collection, qrels = (
        FolderCollection(COLLECTIONS / TEST, trec=False),
        read_qrels(COLLECTIONS / TEST / "qrels.tsv", None),
    )
    run = first_stage(TEST, collection, set(qrels["query_id"]))
    scorer = open_scorer("ready", cached_documents=run["doc_id"].n_unique())
    queries, texts = texts_of(run, collection, scorer.manifest.template)
    ways = {"own scores": Reranker(scorer), "as shipped": Reranker(scorer, interpolation=scorer.manifest.interpolation)}
    return [
        Figure(
            f"ready reranker, {way}, {TEST}, {MEASURE}",
            _ndcg(qrels, rerank_run(run, queries, texts, each, depth=100)),
            ROUNDED,
        )
        for way, each in ways.items()
    ]


def judge(folder: Path) -> list[Figure]:
    """The ready judge on the whole pools of every sixth query of TREC DL 2019."""
    from benchmarks.judges.data import SCALE, human_of, labelled
    from relsearch.judge.registry import READY, judge_folder
    from relsearch.judge.store.judgment_store import judge_all
    from relsearch.judge.tuned import load_judge
    from relsearch.measure.agreement import agreement

    every = labelled(TEST)
    part = every.of_queries(set(sorted({pair.query_id for pair in every.pairs})[::EVERY_QUERY]))
    judge = load_judge(judge_folder(READY), keep=folder / "vectors")
    judged = judge_all(judge, pools_of(part.pairs), folder / "judged")
    found = agreement(human_of(part), judged, SCALE, resamples=50, seed=SEED).figures()
    names = {"kappa": "kappa of four grades", "auc": "AUC"}
    return [
        Figure(f"ready judge, every sixth query, {what}", _value(found[key]), FEW_QUERIES)
        for key, what in names.items()
    ]


def speed(folder: Path) -> list[Figure]:
    """A cross-encoder in int8 and fp32 against CrossEncoder.predict, 30 documents of 100 tokens."""
    from benchmarks.rerankers.speed.__main__ import QUERY, Load, random_head, texts_of_length
    from benchmarks.rerankers.speed.ways import BUNDLES, FP32, INT8, NAIVE, ours, sentence_transformers
    from benchmarks.rounds import faster, interleaved
    from relsearch.exporters.bundle.choose import write_int8
    from relsearch.exporters.bundle.cross_encoder import write_foreign
    from relsearch.runtime.engine import available_cores
    from relsearch.runtime.tokenising import PairTokenizer

    model = random_head(folder / "model", max_length=256)
    write_foreign(str(model), folder / BUNDLES[FP32], max_length=256)
    write_int8(folder / BUNDLES[FP32], folder / BUNDLES[INT8])
    reader = PairTokenizer(folder / BUNDLES[FP32] / "tokenizer.json", max_length=256)
    request = (QUERY, texts_of_length(reader, Load(30, 100)))
    ways = {NAIVE: sentence_transformers(model, max_length=256)}
    ways |= {name: ours(folder / BUNDLES[name], workers=available_cores()) for name in (FP32, INT8)}
    for way in ways.values():
        way(request)
    seconds = interleaved({name: partial(way, request) for name, way in ways.items()}, rounds=7)
    return [
        Figure(
            f"{name}, times as fast as predict",
            ratio := faster(seconds[NAIVE], seconds[name])["value"],
            SPEED * ratio,
            speed=True,
        )
        for name in (FP32, INT8)
    ]


def training(folder: Path) -> list[Figure]:
    """A reranker trained for a few steps on half of a collection's queries, on the other half."""
    from benchmarks.rerankers.own_collections import own_domain_config
    from benchmarks.rerankers.own_domain import Arm, OwnDomain
    from relsearch.pipeline.stages.inputs import of_queries

    trial = OwnDomain(own_domain_config(TRAINED, folder, steps=TRAINING_STEPS), 2, TRAINED)
    run = trial.fold(0, Arm())["_shipped"]
    values = {"BM25": of_queries(trial.first_stage, run["query_id"]), f"trained for {TRAINING_STEPS} steps": run}
    qrels = of_queries(trial.test_labels, run["query_id"])
    return [
        Figure(f"{way}, half of {TRAINED}, {MEASURE}", _ndcg(qrels, each), EXACT if way == "BM25" else RETRAINED)
        for way, each in values.items()
    ]


def odd_inputs(folder: Path) -> list[Figure]:
    """Odd files and arguments on every reader and verb."""
    from benchmarks.data.odd_inputs import tried

    tally, failed = tried(ODD_INPUTS)
    counts = {"tracebacks": max(tally["tracebacks"], int(failed)), "files changed": tally["files_changed"]}
    return [Figure(f"odd inputs, {name}", float(count), 0.0, sign=-1) for name, count in counts.items()]


def _ndcg(qrels: pl.DataFrame, run: pl.DataFrame) -> float:
    from relsearch.measure.query_values import query_values

    return float(query_values(qrels, run, [MEASURE])[MEASURE].mean())


def _value(figure: Any) -> float:
    return float(figure.value)


PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "bm25": bm25,
    "reranker": reranker,
    "speed": speed,
    "judge": judge,
    "training": training,
    "odd_inputs": odd_inputs,
}

if __name__ == "__main__":
    main()
