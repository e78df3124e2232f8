"""Size and start-up: import time, disk of a serving install, lines of code a folder, tests.

`python -m benchmarks.serving.footprint` installs the wheel's base dependencies into a fresh virtual environment. Its
table is in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.record import record

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("relsearch", "index", "exporters", "tests", "benchmarks")
PROBE = "import time; t = time.perf_counter(); import relsearch.cli; print(time.perf_counter() - t)"


def main() -> None:
    """Measure, print and record."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures = {
        "import_cli_s": round(statistics.median(_import_seconds() for _ in range(7)), 3),
        "serving_install_mb": _serving_install_mb(),
        "code_lines": {folder: _code_lines(folder) for folder in FOLDERS},
        "tests": _tests(),
    }
    record("footprint", figures)
    print(figures)


def _import_seconds() -> float:
    return float(subprocess.check_output([sys.executable, "-c", PROBE], text=True))


def _serving_install_mb() -> int:
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = str(Path(name) / "bin" / "python")
        site = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
        before = _megabytes(Path(site.strip()))
        subprocess.run([python, "-m", "pip", "install", "-q", str(REPOSITORY)], check=True)
        return round(_megabytes(Path(site.strip())) - before)


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _code_lines(folder: str) -> int:
    files = subprocess.check_output(["git", "ls-files", f"{folder}/*.py"], text=True, cwd=REPOSITORY).split()
    return sum(
        1 for file in files for line in (REPOSITORY / file).read_text(encoding="utf-8").splitlines() if line.strip()
    )


def _tests() -> int:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
    output = subprocess.check_output(command, text=True, cwd=REPOSITORY)
    found = re.search(r"(\d+) tests? collected", output)
    if found is None:
        raise SystemExit(f"pytest printed no count:\n{output[-500:]}")
    return int(found.group(1))


if __name__ == "__main__":
    main()
