"""Size and start-up: processor time of an import, disk of an install, lines of code a folder, tests.

`python -m benchmarks.serving.footprint` installs each of INSTALLS into a fresh virtual environment. Its table is
in benchmarks/README.md, the sizes are in docs/installing.md too.
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
# PyTorch in its build for CPUs, as the Makefile takes it: PyPI's brings several GB of CUDA.
INSTALLS = {"relsearch": (), "relsearch[serve,gateway]": (), "relsearch[train,export]": ("torch==2.13.0",)}
MODULES = ("relsearch", "relsearch.cli")
# Processor time, which other programs of the machine move little.
PROBE = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def main() -> None:
    """Measure, print and record."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures = {
        "import_cpu_s": {name: _import_seconds(name) for name in MODULES},
        "install_mb": {name: _install_mb(name, *others) for name, others in INSTALLS.items()},
        "code_lines": {folder: _code_lines(folder) for folder in FOLDERS},
        "tests": _tests(),
    }
    record("footprint", figures)
    print(figures)


def _import_seconds(module: str) -> float:
    """The median of seven processes."""
    command = [sys.executable, "-c", PROBE.format(module)]
    return round(statistics.median(float(subprocess.check_output(command, text=True)) for _ in range(7)), 3)


def _install_mb(requirement: str, *others: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = str(Path(name) / "bin" / "python")
        site = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
        before = _megabytes(Path(site.strip()))
        source = requirement.replace("relsearch", str(REPOSITORY), 1)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", *others, source], check=True)
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
