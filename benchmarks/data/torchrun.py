"""Whether two processes that share each step learn what one process learns.

`python -m benchmarks.data.torchrun [--steps 12]` trains the late-interaction model on human labels of the demo, two
lists a step: in one process, and in two that torchrun starts and gloo connects, a core each. Its table is in
benchmarks/growth.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from benchmarks.deals import SEED, shuffled, split_dev
from benchmarks.record import record
from relsearch.core import tables
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.settings.config import EncoderConfig, TrainConfig
from relsearch.core.types import SCALES
from relsearch.data.collection import load_collection, texts_of
from relsearch.labels.augment import human_examples

QUERIES = 24
LISTS_PER_STEP = 2
ONE, TWO = "one", "two"
PROCESSES = {ONE: 1, TWO: 2}


def main() -> None:
    """Measure and record, or, started by that, train into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--into", type=Path, help="only train, and write the model here")
    arguments = parser.parse_args()
    if arguments.into:
        _train(arguments.into, steps=arguments.steps)
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        arms = {arm: _run(arm, Path(folder) / arm, steps=arguments.steps) for arm in PROCESSES}
        weights = {arm: _weights(Path(folder) / arm) for arm in PROCESSES}
    figures = {
        "steps": arguments.steps,
        "lists_per_step": LISTS_PER_STEP,
        "load_before": round(load, 1),
        "arms": arms,
        "largest_loss_difference": float(np.abs(np.subtract(arms[TWO]["losses"], arms[ONE]["losses"])).max()),
        "largest_weight_difference": float(np.abs(weights[TWO] - weights[ONE]).max()),
    }
    print(record("torchrun", figures, seed=SEED))


def _run(arm: str, folder: Path, *, steps: int) -> dict[str, Any]:
    """Train in processes of their own; return what it took, and the loss of each step."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES[arm])] if PROCESSES[arm] > 1 else []
    program = ["-m", "benchmarks.data.torchrun", "--into", str(folder), "--steps", str(steps)]
    started, before = time.monotonic(), getrusage(RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *launcher, *program],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        check=True,
    )
    wall, after = time.monotonic() - started, getrusage(RUSAGE_CHILDREN)
    from relsearch.rerank.families import open_card

    card = open_card(folder)
    first, last = card.history[0], card.history[-1]
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "training_s": round(last.seconds - first.seconds, 1),
        "losses": card.losses,
    }


def _train(folder: Path, *, steps: int) -> None:
    """Train on the first queries in a seeded order; as one of several processes, take part in that."""
    from relsearch.rerank.families import train
    from relsearch.rerank.train_job import Texts, TrainJob

    scale, collection = SCALES["0-3"], load_collection("demo")
    labels = tables.judgments_table(collection.qrels())
    dev, learning = split_dev(shuffled(labels["query_id"].unique().to_list())[:QUERIES])
    train(
        TrainJob(
            examples=human_examples(labels, queries=set(learning), scale=scale),
            dev_examples=human_examples(labels, queries=set(dev), scale=scale),
            texts=Texts(*texts_of(labels, collection, DEFAULT_TEMPLATE), DEFAULT_TEMPLATE),
            config=TrainConfig(
                max_length=128,
                documents_per_query=8,
                lists_per_step=LISTS_PER_STEP,
                max_steps=steps,
                evaluations=4,
                dev_depth=10,
            ),
            encoder=EncoderConfig(max_tokens=128),
            scale=scale,
            seed=SEED,
            output=folder,
            kept="end",
            vectors=folder.with_name(f"{folder.name}-vectors"),
        )
    )


def _weights(folder: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """All weights of a model in one row."""
    return np.concatenate([tensor.ravel() for _, tensor in sorted(load_file(folder / "model.safetensors").items())])


if __name__ == "__main__":
    main()
