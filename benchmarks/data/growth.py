"""How the cost of verbs grows with their data: `python -m benchmarks.data.growth --sizes 10000 100000`.

Each verb runs on synthetic data in a process of its own, with models that cost nothing, so that only the machinery
shows. n counts documents (index, ingest, precompute, synthesize), rows of each run (pool, evaluate) or pairs (the
others). Its table is in benchmarks/growth.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import struct_rusage
from typing import Any

import numpy as np

from benchmarks.data.growth_verbs import RUNS_ALONE, VERBS, prepare
from benchmarks.record import RESULTS, record
from benchmarks.report.growth import growth_plot
from relsearch.core.files.atomic import replace_text

Row = dict[str, Any]

_BLOCK_BYTES = 512  # in which Linux counts what a process writes


def main() -> None:
    """Measure every verb at every size, and record times, memory and slopes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--run-sizes", type=int, nargs="+", default=[10_000_000], help="of pool and evaluate alone")
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--child", nargs=3, metavar=("VERB", "N", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        verb, size, folder = arguments.child
        _run(verb, int(size), Path(folder))
        return
    rows = [row for size in arguments.sizes for row in _measured(arguments.verbs, size)]
    run_verbs = [verb for verb in arguments.verbs if verb in RUNS_ALONE]
    rows += [row for size in arguments.run_sizes for row in _measured(run_verbs, size)]
    rows.sort(key=lambda row: (list(VERBS).index(row["verb"]), row["n"]))
    figures = {"rows": rows, "slope": {verb: slope(rows, verb) for verb in arguments.verbs}}
    record("growth", figures)
    replace_text(RESULTS / "growth.svg", growth_plot(figures))


def slope(rows: list[Row], verb: str) -> float:
    """Return the slope of log CPU time over log n: 1 where cost is in proportion, 2 where it is the square."""
    points = [(row["n"], row["cpu_seconds"]) for row in rows if row["verb"] == verb]
    sizes, seconds = np.log(np.asarray(points)).T
    return round(float(np.polyfit(sizes, seconds, 1)[0]), 3)


def usage_of(command: list[str]) -> tuple[str, struct_rusage]:
    """Run a command and return what it printed and what it used; raise SystemExit where it fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return said, usage


def _measured(verbs: list[str], size: int) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), size, runs_alone=RUNS_ALONE.issuperset(verbs))
        for verb in verbs:
            rows.append(_child(verb, size, Path(folder)))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _child(verb: str, size: int, folder: Path) -> Row:
    module = [sys.executable, "-m", "benchmarks.data.growth"]
    said, usage = usage_of([*module, "--child", verb, str(size), str(folder)])
    times = json.loads(said.splitlines()[-1])
    written = usage.ru_oublock * _BLOCK_BYTES / 1e6
    return {"verb": verb, "n": size, **times, "peak_mb": round(usage.ru_maxrss / 1024), "written_mb": round(written, 1)}


def _run(verb: str, size: int, folder: Path) -> None:
    run = VERBS[verb](folder, size)  # imports what it needs, which is not measured
    started, used = time.perf_counter(), time.process_time()
    run()
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    print(json.dumps({"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3)}))


if __name__ == "__main__":
    main()
