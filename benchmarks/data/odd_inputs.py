"""Odd inputs on every reader and verb: tracebacks and changed files; and the memory of evaluating many queries.

`python -m benchmarks.data.odd_inputs [--inputs 350]` runs the property tests of tests/, each on so many drawn inputs,
those of the slower verbs on a share of it. Its table is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import record

SEED = 24
TESTS = Path(__file__).resolve().parents[2] / "tests"
SUITES = (
    "test_odd_inputs_collections.py",
    "test_odd_inputs_settings.py",
    "test_odd_inputs_tables.py",
    "test_odd_inputs_trec.py",
    "test_odd_inputs_vectors.py",
    "test_round_trips.py",
    "cli/test_odd_inputs.py",
)
QUERIES, DEPTH, RUNS = 8_000, 100, 2


def main() -> None:
    """Measure, print and record; exit 1 where an input gave a traceback or changed a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=350)
    arguments = parser.parse_args()
    memory_mb = evaluate_mb()  # first, since a process counts what its parent held as it was started
    tally, failed = tried(arguments.inputs)
    figures = {**tally, f"evaluate_mb_{QUERIES}": round(memory_mb)}
    print(json.dumps(figures, indent=1))
    if failed:
        raise SystemExit("a property does not hold; its test says which")
    record("odd_inputs", figures, seed=SEED)


def tried(inputs: int) -> tuple[dict[str, int], bool]:
    """Run the property tests; return how many inputs they tried and what came of them, and whether any failed."""
    os.environ["RELSEARCH_ODD_INPUTS"] = str(inputs)
    os.environ["HF_HUB_OFFLINE"] = "1"  # a name that an odd setting makes up is looked for nowhere
    import pytest

    files = (str(TESTS / name) for name in SUITES)
    rewriting = "ignore::pytest.PytestAssertRewriteWarning"  # of what another part of `quick` has imported
    status = pytest.main([*files, "-q", "-W", rewriting, f"--hypothesis-seed={SEED}"])
    from tests.odd_inputs import TALLY  # not before pytest, which warns of what it cannot rewrite any more

    return dict(TALLY), status != pytest.ExitCode.OK


def evaluate_mb() -> float:
    """Return the peak memory of `relsearch evaluate` on labels and runs of QUERIES queries, in MB of 10^6 bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [folder / f"{number}.trec" for number in range(RUNS)]
        for number, path in enumerate(runs):
            _write_run(path, random.Random(SEED + number))  # noqa: S311  # not for secrets
        _write_qrels(folder / "q.qrels", random.Random(SEED))  # noqa: S311
        command = [sys.executable, "-c", "from relsearch.cli import main; main()"]
        with (folder / "printed").open("wb") as printed:
            child = subprocess.Popen([*command, "evaluate", str(folder / "q.qrels"), *map(str, runs)], stdout=printed)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"evaluate: status {child.returncode}")
        return usage.ru_maxrss * 1024 / 1e6


def _write_run(path: Path, rng: random.Random) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for query in range(QUERIES):
            for rank, doc in enumerate(rng.sample(range(3 * DEPTH), DEPTH), 1):
                stream.write(f"q{query} Q0 d{query}-{doc} {rank} {DEPTH - rank} {path.stem}\n")


def _write_qrels(path: Path, rng: random.Random) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for query in range(QUERIES):
            for doc in rng.sample(range(3 * DEPTH), 10):
                stream.write(f"q{query} 0 d{query}-{doc} {rng.randrange(4)}\n")


if __name__ == "__main__":
    main()
