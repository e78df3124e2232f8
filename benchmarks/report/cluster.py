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
    """A billion pairs on a hundred GPUs, by what Ray's machinery was measured to cost."""
    if (figures := recorded("ray")) is None:
        return ""
    free, sent, returned = figures["free_us_a_pair"], figures["bytes_sent_a_pair"], figures["bytes_returned_a_pair"]
    gpu_rate = GPU_FLOPS * REACHED / (2 * PARAMETERS * TOKENS)
    gpu_hours = PAIRS / (gpu_rate * GPUS) / _HOUR
    asking_rate = 1e6 / free["here"]
    asking_hours = PAIRS / asking_rate / _HOUR
    parts = ceil(gpu_rate * GPUS / asking_rate)
    head = free["rest"] / free["here"]
    rows = [
        ["a GPU", f"{gpu_rate:,.0f} pairs a second (assumed)"],
        [f"{GPUS} GPUs", f"{gpu_hours:.1f} h, ${gpu_hours * GPUS * DOLLARS:,.0f}"],
        ["the process that asks", f"{free['here']:.0f} µs of CPU a pair: {asking_rate:,.0f} pairs a second at most"],
        ["the same for all pairs", f"{asking_hours:.1f} h"],
        [
            "to the object store, and back",
            f"{sent} and {returned} bytes a pair: {PAIRS * (sent + returned) / 1e9:,.0f} GB in all",
        ],
        ["cores of the head that one such process and Ray keep busy", f"{head:.1f}"],
        ["bottleneck", "the process that asks" if asking_hours > gpu_hours else "the GPUs"],
        ["processes that ask, each with its share of the queries, which keep all GPUs busy", f"{parts}"],
    ]
    return table(["part", "value"], rows) + "\n"
