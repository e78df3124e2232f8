"""The README's result tables, made from benchmarks/results/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def tables() -> str:
    """Return every table as Markdown, each with the command that measures it."""
    return "\n".join(part(_load(name)) for name, part in PARTS.items() if (RESULTS / f"{name}.json").is_file())


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


PARTS: dict[str, Any] = {}
