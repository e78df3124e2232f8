"""The table of what Ray costs, and what a large run would cost by these figures."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, NamedTuple

from benchmarks.record import recorded
from benchmarks.report.markdown import section, table

PAIRS, GPUS = 1e9, 100
# Assumed, not measured: a judge of 135 million parameters that reads 250 tokens a pair, on a GPU of 125 Tflop/s in
# bfloat16 of which it reaches three tenths, at a dollar an hour.
PARAMETERS, TOKENS, GPU_FLOPS, REACHED, DOLLARS = 135e6, 250, 125e12, 0.3, 1.0
GPU_RATE = GPU_FLOPS * REACHED / (2 * PARAMETERS * TOKENS)  # pairs a second
HASH_BYTES, DEPTH = 8, 64  # what is kept of each query, and its pairs
_HOUR = 3600
ARMS = {
    "plain": "this process, one thread",
    "ray_1x1": "Ray, one worker of one thread",
    "ray_2x1": "Ray, two workers of one thread",
    "ray_1x2": "Ray, one worker of two threads",
}


def ray(figures: dict[str, Any]) -> str:
    """What each way took, and what a killed machine lost."""
    rows = [_row(name, figures["arms"][key]) for key, name in ARMS.items()]
    workers = figures["one_of_two_threads_against_two"]
    facts = [
        ["overhead of one worker, wall time", f"{figures['overhead']:+.1%}"],
        ["the same, CPU time of all processes", f"{figures['overhead_cpu']:+.1%}"],
        ["two workers, times as fast as one of two threads", f"{workers['value']:.2f}"],
        ["start of Ray", f"{figures['cluster_start_s']:.1f} s"],
        ["rows lost, doubled, when a machine was killed", f"{figures['rows_lost']}, {figures['rows_doubled']}"],
    ]
    return section(
        f"{figures['pairs']:,} graded pairs of TREC Deep Learning 2019 and 2021, reranked by the ready bundle, which "
        "reads their documents now, in rounds that take turns. Opening the model and starting and ending Ray's actors "
        "stands apart, a round; the columns after it are of the pairs that were ranked when all workers were at work. "
        "CPU time is of all processes, Ray's own among them.",
        "\n\n".join(
            (
                table(["where", "start and end, s", "pairs", "s", "CPU s", "pairs a second"], rows),
                table(["figure", "value"], facts),
            )
        ),
        figures,
    )


def pairs_on_ray(figures: dict[str, Any]) -> str:
    """What files of pairs cost without a judge."""
    size = figures["pairs_a_large_file"]
    rows = [
        [f"the process that asks: CPU a file of {size:,} pairs", "asking_ms_a_large_file", "ms"],
        ["the process that asks: CPU a file of 64 pairs", "asking_ms_a_small_file", "ms"],
        ["the process that asks: memory a file", "asking_kb_a_file", "KB"],
        ["the workers: CPU a pair for reading, keys and writing", "workers_us_a_pair", "µs"],
    ]
    return section(
        "Files of synthetic pairs that two workers of one core read and grade by a judge that costs nothing: the "
        "difference between few and many files. The process that asks has spent most on waiting for the large ones.",
        table(["figure", "value"], [[name, f"{figures[key]} {unit}"] for name, key, unit in rows]),
        figures,
    )


def _row(name: str, arm: dict[str, float]) -> list[str]:
    apart, pairs, seconds, cpu = (arm[key] for key in ("apart_s", "pairs", "seconds", "cpu_seconds"))
    return [name, f"{apart:.1f}", f"{pairs:,}", f"{seconds:.1f}", f"{cpu:.1f}", f"{pairs / seconds:.1f}"]


class _Asking(NamedTuple):
    """What a way costs: CPU seconds a pair of the process that asks and of the workers, and bytes a pair."""

    asking_s: float
    workers_s: float
    memory: float
    store: float

    @property
    def processes(self) -> int:
        """How many processes that ask keep all GPUs busy."""
        return ceil(GPU_RATE * GPUS * self.asking_s)


def paper() -> str:
    """A billion pairs on a hundred GPUs, by what Ray's machinery and the verbs were measured to cost."""
    figures, verbs, files = recorded("ray"), recorded("growth"), recorded("pairs_on_ray")
    if figures is None or verbs is None or files is None:
        return ""
    free, size = figures["free_us_a_pair"], files["pairs_a_large_file"]
    run = _Asking(
        free["here"] * 1e-6 + _growth(verbs, "cpu_seconds"),
        free["workers"] * 1e-6,
        _growth(verbs, "peak_mb") * 1e6,
        figures["bytes_sent_a_pair"] + figures["bytes_returned_a_pair"],
    )
    pairs = _Asking(
        files["asking_ms_a_large_file"] * 1e-3 / size,
        files["workers_us_a_pair"] * 1e-6,
        files["asking_kb_a_file"] * 1e3 / size + HASH_BYTES / DEPTH,
        0.0,
    )
    hours = PAIRS / (GPU_RATE * GPUS) / _HOUR
    shown: list[tuple[str, Callable[[_Asking], str]]] = [
        (f"{GPUS} GPUs, always busy", lambda _: f"{hours:.1f} h, ${hours * GPUS * DOLLARS:,.0f}"),
        ("CPU time a pair of the process that asks", lambda way: f"{way.asking_s * 1e6:.1f} µs"),
        ("one such process for all pairs", lambda way: f"{PAIRS * way.asking_s / _HOUR:.2g} h"),
        ("bottleneck", lambda way: "the process that asks" if way.processes > 1 else "the GPUs"),
        ("processes that ask, to keep all GPUs busy", lambda way: str(way.processes)),
        ("memory of each of them", lambda way: f"{PAIRS * way.memory / way.processes / 1e9:.2g} GB"),
        (
            "through Ray's object store",
            lambda way: f"{PAIRS * way.store / 1e9:.0f} GB" if way.store else "names, counts, a hash a query",
        ),
        ("cores of all workers, besides the judge", lambda way: f"{way.workers_s * GPU_RATE * GPUS:.1f}"),
    ]
    rows = [[name, *map(show, (run, pairs))] for name, show in shown]
    return table(["part", "a run", f"files of {size:,} pairs"], rows) + "\n"


def _growth(verbs: dict[str, Any], figure: str) -> float:
    """What each pair adds to a figure of `rerank`, between the smallest and the largest number of pairs."""
    first, *_, last = (row for row in verbs["rows"] if row["verb"] == "rerank")
    return float((last[figure] - first[figure]) / (last["n"] - first["n"]))
