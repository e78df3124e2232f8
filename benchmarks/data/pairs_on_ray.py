"""What it costs to grade files of pairs that Ray's workers read and write themselves, without the judge.

`python -m benchmarks.data.pairs_on_ray` grades synthetic pairs in Parquet files by a judge that costs nothing, on two
workers of one core. What one more file costs the process that asks, and one more pair the workers, is the difference
between few and many files: of 64 pairs for the memory, since these can be many, and of 102,400 for CPU time.
Its table is in benchmarks/growth.md, and docs/cluster.md reckons with it.
"""

from __future__ import annotations

import os
import resource
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data.growth_verbs import FreeJudge
from benchmarks.process_clock import Clock, Spent
from benchmarks.record import record
from relsearch.cluster.ray_workers import RayWorkers
from relsearch.core.types import SCALES
from relsearch.pipeline.standalone.grade_pairs import PART_PAIRS, grade_pairs

DEPTH = 64
SMALL, LARGE = (40, 340), (2, 22)  # files
LARGE_PAIRS = 25 * PART_PAIRS
_TEXT = "A sentence of about as many characters as those of a short passage have, "
STORE_BYTES = 300 * 2**20


def main() -> None:
    """Measure and record."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(num_cpus=2, object_store_memory=STORE_BYTES, include_dashboard=False, log_to_driver=False)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        graded(Path(folder) / "first", LARGE[0], DEPTH, clock)  # what is imported and started once
        figures = {**small_files(Path(folder), clock), **large_files(Path(folder), clock)}
    record("pairs_on_ray", {"part_pairs": PART_PAIRS, **figures})
    ray.shutdown()


def small_files(folder: Path, clock: Clock) -> dict[str, Any]:
    """Return what a file with one part costs the process that asks, in milliseconds of its CPU and KB of its memory."""
    spent, peaks = [], []
    for files in SMALL:
        spent.append(graded(folder / f"small-{files}", files, DEPTH, clock))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB on Linux
    few, many = spent
    more = SMALL[1] - SMALL[0]
    return {
        "asking_ms_a_small_file": round(many.since(few).here / more * 1000, 1),
        "asking_kb_a_file": round((peaks[1] - peaks[0]) * 1.024 / more, 1),
    }


def large_files(folder: Path, clock: Clock) -> dict[str, Any]:
    """Return the CPU time of the process that asks, in milliseconds a file, and of the workers, in microseconds a pair.

    The workers read, make keys and write.
    """
    few, many = (graded(folder / f"large-{files}", files, LARGE_PAIRS, clock) for files in LARGE)
    spent, files = many.since(few), LARGE[1] - LARGE[0]
    return {
        "pairs_a_large_file": LARGE_PAIRS,
        "asking_ms_a_large_file": round(spent.here / files * 1000, 1),
        "workers_us_a_pair": round(spent.workers / files / LARGE_PAIRS * 1e6, 1),
    }


def graded(folder: Path, files: int, pairs: int, clock: Clock) -> Spent:
    """Grade so many new files of so many pairs each; return what was spent."""
    (folder / "in").mkdir(parents=True)
    for number in range(files):
        row = pl.int_range(number * pairs, (number + 1) * pairs, eager=True).alias("row")
        pl.DataFrame({"row": row}).select(
            query_id=pl.format("q{}", pl.col("row") // DEPTH),
            query=pl.format("what is {}", pl.col("row") // DEPTH),
            doc_id=pl.format("d{}", "row"),
            text=pl.format("{} {}{}{}", "row", pl.lit(_TEXT), pl.lit(_TEXT), pl.col("row").hash(1)),
        ).write_parquet(folder / "in" / f"{number:05}.parquet")
    opening = partial(FreeJudge, fingerprint="free", scale=SCALES["0-3"])
    before = clock.spent()
    counts = grade_pairs(str(folder / "in"), str(folder / "out"), opening, workers=RayWorkers(1.0, 0))
    if counts != {1: files * pairs}:
        raise ValueError(f"graded {counts}, not {files * pairs} pairs")
    return clock.spent().since(before)


if __name__ == "__main__":
    main()
