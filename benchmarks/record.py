"""One result file a benchmark: the figures, and what it takes to measure them again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from relsearch.exporters.bundle.cpu import cpu_flags, cpu_name

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = (
    "relsearch",
    "numpy",
    "polars",
    "bm25s",
    "torch",
    "transformers",
    "peft",
    "sentence-transformers",
    "onnxruntime",
    "openvino",
)


def record(name: str, figures: Mapping[str, object], *, seed: int | None = None) -> Path:
    """Write benchmarks/results/NAME.json and return its path."""
    module = sys.modules["__main__"].__spec__
    command = " ".join(["python -m", module.name.removesuffix(".__main__") if module else name, *sys.argv[1:]])
    about = {
        "command": command,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        **cpu(),
        "versions": {"python": python_version(), **_versions()},
    }
    return _write(name, {**figures, **about})


def recorded(name: str) -> dict[str, Any] | None:
    """Return what a benchmark recorded last, None where it has not run."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.is_file() else None
    return found


def _write(name: str, figures: Mapping[str, object]) -> Path:
    path = RESULTS / f"{name}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return partial.replace(path)


def cpu() -> dict[str, object]:
    """Return the processor's name and those of its flags that decide speed here."""
    return {"cpu": cpu_name(), "cpu_flags": list(cpu_flags())}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
