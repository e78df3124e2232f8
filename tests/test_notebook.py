"""The notebook in examples/ runs from top to bottom on the packaged demo."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "examples" / "python.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_is_kept_without_outputs(tmp_path: Path) -> None:
    """Its outputs are what its text promises: the right document first, a table of measures, a report, grades."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    shown = [each["data"].get("text/html", each["data"]["text/plain"]) for each in outputs if "data" in each]
    assert len(shown) == 6
    assert shown[0].index("A cat purrs when it is calm.") < shown[0].index("Tides follow the moon.")
    assert "nDCG@10" in shown[2]
    assert "reranked" in shown[2]
    assert "<iframe" in shown[4]
    assert "confidence" in shown[5]
