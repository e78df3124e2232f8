"""The table of what Ray costs, and what a large run would cost by these figures."""

from __future__ import annotations

from math import ceil
from typing import Any

from benchmarks.record import recorded
from benchmarks.report.markdown import section, table

PAIRS, GPUS = 1e9, 100
# Assumed, not measured: a judge of 135 million parameters that reads 250 tokens a pair, on a GPU of 125 Tflop/s in
# bfloat16 of which it reaches three tenths, at a dollar an hour.
PARAMETERS, TOKENS, GPU_FLOPS, REACHED, DOLLARS = 135e6, 250, 125e12, 0.3, 1.0
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


def _row(name: str, arm: dict[str, float]) -> list[str]:
    apart, pairs, seconds, cpu = (arm[key] for key in ("apart_s", "pairs", "seconds", "cpu_seconds"))
    return [name, f"{apart:.1f}", f"{pairs:,}", f"{seconds:.1f}", f"{cpu:.1f}", f"{pairs / seconds:.1f}"]


def paper() -> str:
    """A billion pairs on a hundred GPUs, by what Ray's machinery and the verb were measured to cost."""
    figures, verbs = recorded("ray"), recorded("growth")
    if figures is None or verbs is None:
        return ""
    ray_us, sent, returned = (
        figures["free_us_a_pair"]["here"],
        figures["bytes_sent_a_pair"],
        figures["bytes_returned_a_pair"],
    )
    verb_us, held = _growth(verbs, "cpu_seconds") * 1e6, _growth(verbs, "peak_mb") * 1e6
    gpu_rate = GPU_FLOPS * REACHED / (2 * PARAMETERS * TOKENS)
    gpu_hours = PAIRS / (gpu_rate * GPUS) / _HOUR
    asking_rate = 1e6 / (ray_us + verb_us)
    asking_hours = PAIRS / asking_rate / _HOUR
    parts = ceil(gpu_rate * GPUS / asking_rate)
    rows = [
        ["a GPU", f"{gpu_rate:,.0f} pairs a second (assumed)"],
        [f"{GPUS} GPUs, always busy", f"{gpu_hours:.1f} h, ${gpu_hours * GPUS * DOLLARS:,.0f}"],
        ["CPU time a pair of the process that asks", f"{ray_us:.0f} µs with Ray, {verb_us:.0f} µs for texts and runs"],
        ["one such process for all pairs", f"{asking_hours:.0f} h: {asking_rate:,.0f} pairs a second at most"],
        ["bottleneck", "the process that asks" if asking_hours > gpu_hours else "the GPUs"],
        ["processes that ask, each with its share of the queries, which keep all GPUs busy", f"{parts}"],
        ["memory of each of them", f"{held:.0f} bytes a pair: {PAIRS / parts * held / 1e9:.0f} GB"],
        [
            "to the object store, and back",
            f"{sent} and {returned} bytes a pair: {PAIRS * (sent + returned) / 1e9:.0f} GB",
        ],
    ]
    return table(["part", "value"], rows) + "\n"


def _growth(verbs: dict[str, Any], figure: str) -> float:
    """What each pair adds to a figure of `rerank`, between the smallest and the largest number of pairs."""
    first, *_, last = (row for row in verbs["rows"] if row["verb"] == "rerank")
    return float((last[figure] - first[figure]) / (last["n"] - first["n"]))
