"""The whole chain on TREC Deep Learning: judge 2022's pools, train on 2021 + 2023 (dev half), report on 2019.

The judge is the ready one, which learnt from 2021 and 2023 as well; `--judge tuned` tunes one anew.

`python -m benchmarks.rerankers.trec_dl [--output runs/trec-dl]` needs the collections folder (RELSEARCH_COLLECTIONS,
default ../shared/collections) and, for the judge's evidence, the models folder (RELSEARCH_MODELS). No query of 2019 is
trained, tuned or calibrated on; the defaults of [tune] learning_rate and of the loss were once chosen after looking at
figures on a sample of 2019, so that year is not wholly unseen. Its table is in benchmarks/rerankers.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.deals import SEED, shuffled, split_dev
from benchmarks.folders import COLLECTIONS, MODELS
from benchmarks.record import record
from relsearch.core.settings.config import Config
from relsearch.pipeline.artifacts import read_manifest
from relsearch.pipeline.order import run_all

TRAINING = ("trec-dl-2021", "llmjudge-dev")
UNLABELLED = "trec-dl-2022-unlabelled"
TEST = "trec-dl-2019"
E5 = {"model": str(MODELS / "e5-small-v2"), "query_prefix": "query: ", "document_prefix": "passage: "}
# A late-interaction model is its own encoder, a cross-encoder starts from MiniLM.
_TRAIN: dict[str, dict[str, object]] = {
    "cross": {},
    "late": {
        "encoder": E5,
        "max_length": 160,
        "head_multiple": 10,
        "epochs": 20,
        "max_steps": 140,
        "evaluations": 2,
        "dev_depth": 40,
    },
}


def main() -> None:
    """Gather the years into one collection, run the pipeline on it, record its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/trec-dl"))
    parser.add_argument("--judge", default="ready")
    parser.add_argument("--family", default="late")
    parser.add_argument("--tune-minutes", type=float, default=12)
    parser.add_argument("--tune-pairs", type=int, default=2100)
    parser.add_argument("--train-minutes", type=float, default=12)
    arguments = parser.parse_args()
    gather(arguments.output / "gathered")
    config = chain_config(
        arguments.output,
        family=arguments.family,
        judge=arguments.judge,
        minutes=arguments.train_minutes,
        tune={"minutes": arguments.tune_minutes, "max_pairs": arguments.tune_pairs, "calibration_pairs": 800},
    )
    for result in run_all(config):
        print(f"{result.name}: {result.status} in {result.seconds:.0f} s", flush=True)
    manifests = {path.parent.name: read_manifest(path.parent) for path in config.output.glob("*/manifest.json")}
    figures = {name: manifest.figures for name, manifest in manifests.items()}
    seconds = {name: manifest.seconds for name, manifest in manifests.items()}
    about = {"judge": arguments.judge, "family": arguments.family, "encoder": Path(config.train_encoder.model).name}
    record("chain_trec_dl", {**about, **figures["evaluate"], "stages": figures, "seconds": seconds})
    print(figures["agree"]["table"], figures["evaluate"]["table"], sep="\n\n")


def chain_config(
    output: Path,
    *,
    family: str = "late",
    judge: str = "ready",
    minutes: float = 12,
    steps: int | None = None,
    tune: dict[str, float] | None = None,
) -> Config:
    """Return the pipeline of this benchmark, whose collection stands in OUTPUT/gathered."""
    gathered = output / "gathered"
    runs = [str(gathered / f"{name}.trec") for name in ("trec-dl-2021", UNLABELLED, TEST)]
    train = {"family": family, "minutes": minutes, **_TRAIN[family]} | ({"max_steps": steps} if steps else {})
    return Config.model_validate(
        {
            "seed": SEED,
            "output": output,
            "collection": {"source": str(gathered), "splits": gathered / "splits.tsv"},
            "index": {"searchers": []},
            "pool": {"runs": runs, "depth": 100},
            "judge": {"encoder": E5, "max_document_tokens": 160},
            "label": {"judge": judge, "depth": 40, "held_out_per_query": 40},
            "tune": tune or {},
            "train": train,
            # The arms by their own scores.
            "export": {"quality_gate": "report", "first_stage_weight": 0.0, "prf_weight": 0.0},
        }
    )


def gather(folder: Path) -> None:
    """Write the years as one collection into a folder, unless that was done before."""
    if (folder / "finished").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for name in (*TRAINING, UNLABELLED, TEST):
            corpus.writelines(_prefixed_lines(name, "corpus.jsonl"))
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as queries:
        for name in (*TRAINING, UNLABELLED, TEST):
            queries.writelines(_prefixed_lines(name, "queries.jsonl"))
    with (folder / "qrels.tsv").open("w", encoding="utf-8") as qrels:
        for name in (*TRAINING, TEST):
            for query, _, doc, grade in _columns(name, "qrels.tsv"):
                qrels.write(f"{name}:{query}\t0\t{name}:{doc}\t{grade}\n")
    for name in ("trec-dl-2021", UNLABELLED, TEST):
        with (folder / f"{name}.trec").open("w", encoding="utf-8") as run:
            for query, _, doc, rank, score, tag in _columns(name, "runs/bm25.trec"):
                run.write(f"{name}:{query} Q0 {name}:{doc} {rank} {score} {tag}\n")
    (folder / "splits.tsv").write_text("".join(f"{query}\t{split}\n" for query, split in _splits()), encoding="utf-8")
    (folder / "finished").touch()


def _splits() -> Iterator[tuple[str, str]]:
    ids = [json.loads(line)["_id"] for name in TRAINING for line in _prefixed_lines(name, "queries.jsonl")]
    dev, training = split_dev(shuffled(ids))
    yield from sorted([*((query, "dev") for query in dev), *((query, "train") for query in training)])
    for name, split in ((UNLABELLED, "unlabelled"), (TEST, "test")):
        yield from ((json.loads(line)["_id"], split) for line in _prefixed_lines(name, "queries.jsonl"))


def _prefixed_lines(name: str, file: str) -> Iterator[str]:
    with (COLLECTIONS / name / file).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield json.dumps({**row, "_id": f"{name}:{row['_id']}"}, ensure_ascii=False) + "\n"


def _columns(name: str, file: str) -> Iterator[list[str]]:
    with (COLLECTIONS / name / file).open(encoding="utf-8") as lines:
        for line in lines:
            yield line.split()


if __name__ == "__main__":
    main()
