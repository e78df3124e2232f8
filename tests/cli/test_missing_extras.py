"""Verbs whose extra is not installed: one line that names it, before anything is read or written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relsearch.core import tables
from relsearch.core.types import Judgment

# The packages that the extras train and export bring, as if they were not installed.
_WITHOUT = """
import importlib.util, sys
absent = {"torch", "transformers", "sentence_transformers", "optimum", "onnx", "peft", "sklearn"}
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.split(".")[0] in absent else found(name, package)
sys.modules.update(dict.fromkeys(absent))
from relsearch.cli import main
main()
"""


def test_agree_needs_no_extra(tmp_path: Path) -> None:
    """Labels with probabilities included."""
    judged = [Judgment("q", f"d{n}", n, "judge", "j", expected=float(n), confidence=0.5) for n in range(4)]
    tables.write(tables.judgments_table(judged), tmp_path / "judged.parquet", tables.JUDGMENTS)
    (tmp_path / "human.qrels").write_text("q 0 d0 0\nq 0 d1 3\nq 0 d3 2\n", encoding="utf-8")
    words = [sys.executable, "-c", _WITHOUT, "agree", "human.qrels", "judged.parquet"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "auc " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("grade run.trec --collection demo -o judgments.parquet --judge zero-shot", "train"),
        ("grade run.trec --collection demo -o judgments.parquet --qrels human.tsv", "train"),
        ("tune", "train"),
        ("train", "train"),
        ("run", "train"),
        ("demo", "demo"),
        ("export", "export"),
        ("export --model model -o bundle", "export"),
    ],
)
def test_a_missing_extra_is_one_line(tmp_path: Path, command: str, extra: str) -> None:
    """Whatever the arguments lead to."""
    (tmp_path / "relsearch.toml").write_text('[label]\njudge = "tuned"\n', encoding="utf-8")
    words = [sys.executable, "-c", _WITHOUT, *command.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.endswith(f"pip install 'relsearch[{extra}]'")
    assert [path.name for path in tmp_path.iterdir()] == ["relsearch.toml"]
