"""What `import relsearch` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import relsearch

PUBLIC = {
    "Judge",
    "MemoryCollection",
    "Pipeline",
    "Report",
    "Reranker",
    "agree",
    "evaluate",
    "load_collection",
    "search",
    "search_async",
}
HEAVY = ("torch", "transformers", "onnxruntime", "polars", "numpy", "scipy", "pydantic", "typer", "huggingface_hub")


def test_the_public_names_are_these() -> None:
    """Each is there, is documented, and shows in dir(); no other is."""
    assert set(relsearch.__all__) == PUBLIC
    assert set(dir(relsearch)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(relsearch, name).__doc__
    with pytest.raises(AttributeError, match="rerank_everything"):
        relsearch.rerank_everything  # noqa: B018 - a name that there is not


def test_importing_loads_nothing_heavy() -> None:
    """No package but Python's own."""
    code = f"import sys, relsearch; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reranking_and_measuring_load_no_torch() -> None:
    """A bundle scores and runs are measured on what `pip install relsearch` brings."""
    code = """
import sys, relsearch
relsearch.Reranker("ready").rank("tea", ["green tea", "tides"])
relsearch.evaluate({"q": {"a": 1}}, {"run": {"q": {"a": 1.0}}}, measures=["AP"])
print([name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
