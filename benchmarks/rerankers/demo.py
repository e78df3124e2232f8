"""The whole chain on the packaged demo collection: `python -m benchmarks.rerankers.demo`, what `make demo` runs.

Writes benchmarks/results/demo.json. The demo's grades were assigned by a language model (see
relsearch/demo/README.md): its figures show that the chain works, not how good relsearch is.
"""

from __future__ import annotations

import argparse
import resource
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from benchmarks.record import record
from relsearch.core.settings.load import load_config
from relsearch.pipeline.artifacts import read_manifest
from relsearch.pipeline.order import run_all

ARMS = {"bm25": "bm25", "cosine": "cosine", "human_only": "human_reranker", "augmented": "augmented_reranker"}


def main() -> None:
    """Run every stage that is not up to date, print the tables, record a run that was whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where artefacts go; default: runs/demo")
    arguments = parser.parse_args()
    with as_file(files("relsearch.data.demo") / "relsearch.toml") as path:
        config = load_config(path)
    if arguments.output:
        config = config.model_copy(update={"output": arguments.output})
    started = time.monotonic()
    whole = True
    for result in run_all(config):
        whole = whole and result.status == "done"
        print(f"{result.name:16} {result.status:11} {result.seconds:5.0f} s", flush=True)
    seconds = time.monotonic() - started
    stages = {name: read_manifest(config.output / name).figures for name in ("agree", "export", "evaluate")}
    _show(stages)
    if whole:
        record("demo", _figures(stages) | {"seconds": round(seconds), "peak_mb": _peak_mb()})


def _figures(stages: dict[str, Any]) -> dict[str, Any]:
    runs = stages["evaluate"]["result"]["runs"]
    ndcg10 = {arm: runs[run]["nDCG@10"] for arm, run in ARMS.items()}
    return {
        "ndcg10": {arm: value["mean"] for arm, value in ndcg10.items()},
        "ndcg10_interval": {arm: [value["low"], value["high"]] for arm, value in ndcg10.items()},
        "judge_kappa": stages["agree"]["kappa_test"],
        "export": stages["export"],
    }


def _show(stages: dict[str, Any]) -> None:
    export = stages["export"]
    print("\nJudge against the demo's grades, test queries\n" + stages["agree"]["table"])
    print("\nReranking BM25's candidates, test queries\n" + stages["evaluate"]["table"])
    print("\nThe best new reranker against what it must beat, dev queries\n" + export["table"])
    if export["shipped"] not in export:  # the quality gate refused it
        print(f"\nBundle: {export['shipped']}. {export['refused']}.")
        return
    bundle = export[export["shipped"]]
    fp32, tried = (round(bundle[f"tried_fp32_ms_{part}"]) for part in ("reference", "candidate"))
    print(f"\nBundle: {export['bundle_mb']} MB, {bundle['variant']}, trained on {export['shipped']} labels.")
    print(f"100 passages, cold: {fp32} ms in fp32, {tried} ms in fewer bits; {bundle['reason']}.")


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
